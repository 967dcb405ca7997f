"""The books of one task: every outcome is entered once, as a count in its window and, where it is due, a diff row."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.joiner.pairing import Pair, Row
from shadowstream.records import REVISION_BYTES, Place, Side, Write

PLAIN = frozenset(("match", "tolerated", "ignored"))
_HASH_RANGE = 2.0**32
_SIDE_WORDS = tuple(side.word for side in Side)


class Compared(Protocol):
    """A comparison's result; its differences may be worked out only when they are asked for."""

    @property
    def outcome(self) -> str: ...

    @property
    def differences(self) -> Sequence[Any]: ...

    @property
    def reason(self) -> str | None: ...


class WarmUp(NamedTuple):
    """The result of a pair that came before anything counts."""

    outcome: str = "warm_up"
    differences: Sequence[Any] = ()
    reason: str | None = None


class DifferenceLike(Protocol):
    """One path that differs; see schemas/diff.avsc."""

    @property
    def path(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def record(self) -> dict[str, Any]:
        """As in schemas/diff.avsc."""
        ...


@dataclass(slots=True)
class Cell:
    """Counts of one window and revision since the last commit."""

    outcomes: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)


class Book:
    """Outcomes of one task since its last commit, and its cumulative counts of ended records by side."""

    def __init__(self, config: Config, revision: str, places: tuple[Place, Place]) -> None:
        self._config = config
        self._window_ms = config.judge.window_ms
        self._topic = config.plan.of("diff")
        self._json_topic = config.plan.of("diff.json") if config.compare.diff_json else None
        self._task = str(places[Side.PRODUCTION])
        self._places = places
        self._revision = revision
        self._short = revision[: 2 * REVISION_BYTES]
        self.cells: dict[tuple[int, str], Cell] = {}
        self.writes: list[Write] = []
        self.ended = [0, 0]
        self.records: Counter[tuple[str, str]] = Counter()
        self.pairs: Counter[str] = Counter()
        self.paths: Counter[tuple[str, str]] = Counter()

    def revision_of(self, row: Row) -> str:
        """The revision that a shadow record is evidence for: ours whole, another's as short as its header has it."""
        if row.revision is None or row.revision == self._short:
            return self._revision
        return row.revision

    def pair(self, pair: Pair, result: Compared) -> None:
        """Enter a pair; its window is production's."""
        outcome = result.outcome
        self.ended[Side.PRODUCTION] += 1
        self.ended[Side.SHADOW] += 1
        revision = self.revision_of(pair.shadow)
        cell = self._cell(pair.production.time_ms, revision)
        cell.outcomes[outcome] += 1
        self.pairs[outcome] += 1
        for word in _SIDE_WORDS:
            self.records[word, outcome] += 1
        if outcome == "mismatch":
            self.paths.update((difference.path, difference.kind) for difference in result.differences)
            cell.fields.update({difference.path for difference in result.differences})
        if outcome not in PLAIN or self._sampled(pair.production.offset):
            self._row(outcome, revision, pair.production, pair.shadow, result.differences, result.reason)

    def single(self, side: Side, row: Row, outcome: str, reason: str | None = None) -> None:
        """Enter a record that ends alone."""
        self.ended[side] += 1
        self.records[side.word, outcome] += 1
        revision = self.revision_of(row) if side is Side.SHADOW else self._revision
        self._cell(row.time_ms, revision).outcomes[outcome] += 1
        production, shadow = (row, None) if side is Side.PRODUCTION else (None, row)
        self._row(outcome, revision, production, shadow, [], reason)

    def inputs(self, start_ms: int, revision: str, read: int, failed: int) -> None:
        """Enter inputs of one window, from a range mark."""
        cell = self._cell(start_ms, revision)
        cell.outcomes["input"] += read
        if failed:
            cell.outcomes["input_failed"] += failed

    def windows(self) -> list[dict[str, Any]]:
        """The deltas as in schemas/stats.avsc."""
        return [
            {"start_ms": start, "revision": revision, "outcomes": dict(cell.outcomes), "fields": dict(cell.fields)}
            for (start, revision), cell in sorted(self.cells.items())
        ]

    def clear(self) -> None:
        """The deltas have been committed."""
        self.cells.clear()
        self.writes.clear()
        self.records.clear()
        self.pairs.clear()
        self.paths.clear()

    def _cell(self, time_ms: int, revision: str) -> Cell:
        at = (time_ms - time_ms % self._window_ms, revision)
        cell = self.cells.get(at)
        if cell is None:
            cell = self.cells[at] = Cell()
        return cell

    def _sampled(self, offset: int) -> bool:
        share = self._config.compare.match_sample
        return share > 0 and zlib.crc32(f"{self._task}/{offset}".encode()) / _HASH_RANGE < share

    def _row(
        self,
        outcome: str,
        revision: str,
        production: Row | None,
        shadow: Row | None,
        differences: Sequence[Any],
        reason: str | None,
    ) -> None:
        first, side = (production, Side.PRODUCTION) if production else (shadow, Side.SHADOW)
        if first is None:
            return
        pair_id = f"{self._places[side]}/{first.offset}"
        record = {
            "pair_id": pair_id,
            "task": self._task,
            "outcome": outcome,
            "revision": revision,
            "time_ms": first.time_ms,
            "key": first.key,
            "production": self._id(Side.PRODUCTION, production),
            "shadow": self._id(Side.SHADOW, shadow),
            "input": self._input(shadow) or self._input(production),
            "differences": [difference.record() for difference in differences],
            "reason": reason,
            "late": False,
            "correction_of": None,
        }
        partition, key = self._places[Side.PRODUCTION].partition, pair_id.encode()
        self.writes.append(Write(self._topic, partition, key, own.encode("diff", record), first.time_ms))
        if self._json_topic is not None:
            self.writes.append(Write(self._json_topic, partition, key, own.as_json(record), first.time_ms))

    def _id(self, side: Side, row: Row | None) -> dict[str, Any] | None:
        if row is None:
            return None
        place = self._places[side]
        return {"topic": place.topic, "partition": place.partition, "offset": row.offset}

    def _input(self, row: Row | None) -> str | None:
        if row is None or row.at is None:
            return None
        return f"{self._config.inputs[row.at.topic]}/{row.at.partition}/{row.at.offset}/{row.at.k}"
