"""Records of production as one trial judged them: those on which its candidate is wrong, and those that it could not
judge. On all others the candidate is right."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from shadowstream.errors import ConfigError
from shadowstream.judge.criteria import RATES, figures_of
from shadowstream.protocol.outcomes import DECLARED, RULES, Outcome
from shadowstream.records import REVISION_BYTES, Partition

RECORDS_MAX = 1_000_000
"""The most records of one trial that are kept: those on which a candidate is wrong, and those not judged."""


class Standing(Enum):
    """Why a record is kept: the candidate is wrong on it, the trial could not judge it, or leaves it out."""

    WRONG = "wrong"
    UNJUDGED = "unjudged"
    LEFT_OUT = "left out"


class RecordPlace(NamedTuple):
    """A record of production."""

    partition: Partition
    offset: int


class KeptRecord(NamedTuple):
    """A record on which the candidate is not right."""

    standing: Standing
    time_ms: int
    key: bytes | None


def standing_of(outcome: Outcome) -> Standing | None:
    """Return the standing of production's record by its outcome; None if the candidate is right.

    >>> [standing_of(Outcome(name)).value for name in ("mismatch", "timeout", "evicted", "warm_up")]
    ['wrong', 'wrong', 'unjudged', 'left out']
    >>> standing_of(Outcome.EXPECTED)
    """
    rule = RULES[outcome]
    if rule.bad:
        return Standing.WRONG
    if outcome in DECLARED:
        return Standing.LEFT_OUT
    return None if rule.units else Standing.UNJUDGED


@dataclass(slots=True)
class JudgedRecords:
    """Records that one trial judged. `ends`: production's offsets before which it counts nothing. `to_ms`: the end of
    its last closed window. The newest row of a record counts."""

    name: str
    revision: str
    to_ms: int
    ends: Mapping[Partition, int] = field(default_factory=dict)
    kept: dict[RecordPlace, KeptRecord] = field(default_factory=dict)
    units: Counter[int] = field(default_factory=Counter)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Add a row of diff (schemas/diff.avsc). Raises `ConfigError` beyond `RECORDS_MAX` kept records."""
        record = row["production"]
        if row["revision"] != self.revision or record is None:
            return
        place = RecordPlace(Partition(record["topic"], record["partition"]), record["offset"])
        standing = standing_of(Outcome(row["outcome"]))
        if standing is None:
            self.kept.pop(place, None)
            return
        self.kept[place] = KeptRecord(standing, row["time_ms"], row["key"])
        if len(self.kept) > RECORDS_MAX:
            raise ConfigError(
                f"trial {self.name!r} has more than {RECORDS_MAX:,} records that differ or could not be judged; "
                "more are not compared. `explain` decides about such a candidate without a comparison"
            )

    def add_window(self, window: Mapping[str, Any]) -> None:
        """Add a window of a stats record: the number of production's records that it judged."""
        if window["revision"] in (self.revision, self.revision[: 2 * REVISION_BYTES]):
            figures = figures_of(window)
            self.units[window["start_ms"]] += sum(figures.get(name, 0) for name in RATES["missing"].n)

    def judged(self, from_ms: int, to_ms: int) -> int:
        """Return the number of production's records judged in the windows of a range."""
        return sum(n for start_ms, n in self.units.items() if from_ms <= start_ms < to_ms)
