"""Sightings of the config's paths in values: a path with a typing error would match nothing, silently.

Values are examined until each path has been found: the first `FIRST` pairs of a process, then one pair in `ONE_IN`,
chosen by its offset. After that the search ends and costs nothing.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from shadowstream.compare.comparer import Comparing, Values
from shadowstream.compare.record_parts import names_part
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.errors import RecordError, RegistryError
from shadowstream.paths import parse_path
from shadowstream.protocol.size_limits import cut_path
from shadowstream.records import Side

FIRST = 256
ONE_IN = 64
FIELDS_MAX = 32
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def paths_of(config: Config) -> list[str]:
    compare = config.compare
    optional = [*(one.path for one in config.judge.criteria), *(one.path for one in compare.dimensions)]
    single = [one.path for part in (compare.rules, compare.checks, compare.distributions) for one in part]
    several = chain(*(one.paths for one in compare.expected), compare.redact.paths if compare.redact else ())
    paths = dict.fromkeys(path for path in (*optional, *single, *several) if path is not None)
    if not compare.part_paths:
        return list(paths)
    return [path for path in paths if not names_part(parse_path(path))]  # the config itself names keys and headers


class PathSightings:
    """The sightings of one task since its last commit, and the paths that are still unseen."""

    def __init__(self, config: Config) -> None:
        self._unseen = set(paths_of(config))
        self._redactor = Redactor.of(config)
        self._first = FIRST
        self._known: set[str] = set()
        self.clear()

    @property
    def looks(self) -> bool:
        return bool(self._unseen)

    def clear(self) -> None:
        self._looked = 0
        self._seen: list[str] = []
        self._holds: list[str] = []

    def look(self, compare: Comparing, offsets: Sequence[int], production: Values, shadow: Values) -> None:
        """Examine pairs, given production's offsets and the values of both sides."""
        if not self._unseen:
            return
        places = self._chosen(offsets)
        if not places:
            return
        try:
            self._look(compare, Side.PRODUCTION, [production[place] for place in places])
            changed = [shadow[place] for place in places if shadow[place] != production[place]]
            if changed and self._unseen:
                self._look(compare, Side.SHADOW, changed)
        except RegistryError:  # the comparison did not decode equal bytes, so their schema may be unavailable
            return
        self._looked += len(places)

    def _chosen(self, offsets: Sequence[int]) -> list[int]:
        first = min(self._first, len(offsets))
        self._first -= first
        rest = np.array(offsets[first:], np.uint64) * _GOLDEN >> np.uint64(58)
        return [*range(first), *(first + np.flatnonzero(rest == 0)).tolist()]

    def _look(self, compare: Comparing, side: Side, values: Values) -> None:
        decoded = [one for one in compare.decode(side, values) if one is not None and not isinstance(one, RecordError)]
        found = compare.holding(decoded, self._unseen)
        self._unseen -= found
        self._seen += sorted(found)
        if side is Side.SHADOW and self._redactor:  # the names of fields that only the candidate has may be data
            return
        for path in dict.fromkeys(compare.fields_in(decoded)):
            if len(self._known) >= FIELDS_MAX:
                return
            # A map below a redacted path may have names that must not be shown.
            shown = cut_path(self._redactor.field(path))
            if shown not in self._known and not self._redactor.covers(path):
                self._known.add(shown)
                self._holds.append(shown)

    def record(self) -> dict[str, Any]:
        return {"looked": self._looked, "seen": list(self._seen), "holds": list(self._holds)}
