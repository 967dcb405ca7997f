"""Proposals of comparison rules from sampled outputs of production: none of them is certain, so people decide."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from shadowstream.first_config.sampled import Sampled
from shadowstream.first_config.times import nearness
from shadowstream.first_config.wording import duration, of_all
from shadowstream.paths import ABSENT, parse_path

RECORDS_MIN = 20
"""Fewer records show nothing about a field."""
UNIQUE_MIN = 0.99
COPIED_MIN = 0.5
"""Share of a field's values that are also in sampled inputs, from which on the field is a copy."""
_RANDOM = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,64}|[0-9A-HJKMNP-TV-Z]{26}")
_SIGNED_BY = re.compile(r"version|model|build|revision|release|host|instance|pod|worker", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule that may be wanted. `settings`: the rule but its path. `is_volatile`: it would hide the whole field."""

    path: str
    settings: dict[str, object]
    why: str
    is_volatile: bool

    @property
    def rule(self) -> dict[str, object]:
        return {"path": self.path, **self.settings}


def proposals(inputs: Sequence[Sampled], outputs: Sequence[Sampled], id_path: str | None) -> list[Proposal]:
    """Return one proposal a path at most, volatile fields first. The field of the identity has none."""
    found: dict[str, Proposal] = {}
    for one in outputs:
        for path, values in one.fields.items():
            present = [value for value in values if value is not ABSENT and value is not None]
            if path == id_path or path in found or len(present) < RECORDS_MIN:
                continue
            proposal = next(_of_field(path, values, present, one), None)
            if proposal is not None:
                found[path] = proposal
    volatile = {path for path, proposal in found.items() if proposal.is_volatile}
    known = _known(inputs) if volatile else set()
    for one in outputs:
        for path in volatile.intersection(one.fields):
            texts = [text for text in one.texts_of_field(path) if text is not None]
            if path in found and sum(text in known for text in texts) >= COPIED_MIN * len(texts):
                del found[path]
    return sorted(found.values(), key=lambda one: not one.is_volatile)


def _known(inputs: Sequence[Sampled]) -> set[bytes]:
    """Return all that sampled inputs hold: a field with such values is a copy, which the candidate can make too."""
    known = {id_ for one in inputs for path in one.fields for id_ in one.texts_of_field(path) if id_ is not None}
    known |= {key for one in inputs for key in one.keys if key is not None}
    return known | {value for one in inputs for of in one.headers for value in of.values()}


def _of_field(path: str, values: Sequence[Any], present: Sequence[Any], of: Sampled) -> Iterator[Proposal]:
    distinct = len(set(present))
    near = nearness(values, of.times_ms)
    records = of_all(len(present), len(of), f"sampled records of {of.topic}")
    if near is not None and near.is_near and distinct > 1:
        within = f"within {duration(near.within_ms)} of the record's own timestamp"
        yield Proposal(path, {"ignore": True}, f"time of processing: {within}, in {records}, and in no input", True)
    if all(map(_is_random, present)) and distinct >= UNIQUE_MIN * len(present):
        yield Proposal(path, {"ignore": True}, f"a new id in {records}, and in no input", True)
    name = (parse_path(path) or [""])[-1] or ""
    if distinct == 1 and isinstance(present[0], str) and _SIGNED_BY.search(name):
        why = f"one text in {records}; if it names production's version, the candidate's differs"
        yield Proposal(path, {"ignore": True}, why, True)
    fractions = [abs(value) for value in present if isinstance(value, float) and math.isfinite(value)]
    if len(fractions) == len(present) and near is None and any(value % 1 for value in fractions):
        yield Proposal(path, {"atol": _last_digits(max(fractions))}, "fractions: their last digits may differ", False)


def _last_digits(largest: float) -> Decimal:
    """Return a millionth of the power of ten above the largest number.

    >>> [f"{_last_digits(largest):f}" for largest in (0.98, 998.5)]
    ['0.000001', '0.001']
    """
    return Decimal(10) ** (math.ceil(math.log10(largest)) - 6)


def _is_random(value: Any) -> bool:
    return isinstance(value, UUID) or (isinstance(value, str) and _RANDOM.fullmatch(value) is not None)
