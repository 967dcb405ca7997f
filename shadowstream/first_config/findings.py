"""What samples show about a trial: its identity, production's partitioner and group, times, and volatile fields."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shadowstream.config import HOUR_MS
from shadowstream.first_config.field_rules import Proposal, proposals
from shadowstream.first_config.identity import Way, ways
from shadowstream.first_config.sampled import Sampled
from shadowstream.first_config.times import Nearness, nearness
from shadowstream.protocol.headers import text_coordinate
from shadowstream.records import Partition
from shadowstream.runner.partitioner_detection import Choice, SampledRecord, choose, weigh
from shadowstream.topics import NAME_PATTERN

STILL_MS = HOUR_MS
"""Inputs that got no record for so long may get none any more."""
_NAME_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group with commits on the inputs. `topics`: inputs with a commit; `waiting`: records after them."""

    name: str
    topics: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of the cluster. `groups_problem`: why groups were not found; `now_ms`: the clock after reading.

    `is_unproven`: brokers on other machines that refuse nothing.
    """

    inputs: Sequence[Sampled]
    outputs: Sequence[Sampled]
    groups: Sequence[Group]
    groups_problem: str | None
    is_unproven: bool
    now_ms: int

    @property
    def newest_input_ms(self) -> int | None:
        return max((max(one.times_ms) for one in self.inputs if len(one)), default=None)

    @property
    def is_still(self) -> bool:
        """Whether the inputs have stopped growing, as it seems."""
        newest_ms = self.newest_input_ms
        return newest_ms is not None and self.now_ms - newest_ms > STILL_MS

    @property
    def ahead_ms(self) -> int:
        """How far the newest input is dated ahead of the clock, ms."""
        return max(0, (self.newest_input_ms or 0) - self.now_ms)


@dataclass(frozen=True, slots=True)
class Findings:
    """Conclusions of the samples. `ways`: identities that fit, the best first; `partitioners`: by output topic.

    `times`: by input topic, the field whose times are nearest to the records' timestamps.
    """

    ways: Sequence[Way]
    partitioners: dict[str, Choice | None]
    proposals: Sequence[Proposal]
    times: dict[str, tuple[str, Nearness]]

    @property
    def identity(self) -> dict[str, object]:
        """The section `identity`; by key where nothing fits or nothing was sampled."""
        return self.ways[0].settings if self.ways else {"kind": "key"}


def find(seen: Seen) -> Findings:
    """Return what the samples show."""
    found = ways(seen.inputs, seen.outputs)
    way = found[0] if found else None
    partitioners = {one.topic: _partitioner(seen.inputs, one, way) for one in seen.outputs}
    rules = proposals(seen.inputs, seen.outputs, way.path if way else None)
    times = {one.topic: best for one in seen.inputs if (best := _nearest(one)) is not None}
    return Findings(found, partitioners, rules, times)


def _partitioner(inputs: Sequence[Sampled], of: Sampled, way: Way | None) -> Choice | None:
    """Return the partitioner that explains the sampled outputs, as the runner chooses at the start of a trial."""
    header = way.header if way is not None and way.kind == "coordinate" else None
    topics = [one.topic for one in inputs]
    records = []
    for (partition, offset), key, headers in zip(of.places, of.keys, of.headers, strict=True):
        at = text_coordinate(headers.get(header), topics) if header is not None else None
        if header is None or at is not None or key is not None:
            records.append(SampledRecord(Partition(of.topic, partition), offset, key, at and at.partition))
    homes: dict[bytes, set[int]] = {}
    for one in inputs:
        for (partition, _), key in zip(one.places, one.keys, strict=True):
            if key is not None:
                homes.setdefault(key, set()).add(partition)
    by_key = way is None or way.kind in ("key", "occurrence")
    return choose([weigh(records, homes, of.partitions, by_key)]) if records else None


def _nearest(of: Sampled) -> tuple[str, Nearness] | None:
    found = [(path, near) for path, values in of.fields.items() if (near := nearness(values, of.times_ms)) is not None]
    return min(found, key=lambda one: one[1].within_ms, default=None)


def name_for(topic: str, taken: Sequence[str] = ()) -> str:
    """Return a trial's name for production's output topic that is not taken.

    >>> name_for("Fraud.Scores"), name_for("__"), name_for("scores", ["scores", "scores-2"])
    ('fraud-scores', 'trial', 'scores-3')
    """
    plain = re.sub(r"[^a-z0-9_-]+", "-", topic.lower()).strip("-_")[: _NAME_CHARS_MAX - 4].strip("-_")
    name = plain if NAME_PATTERN.fullmatch(plain) else "trial"
    names = [name, *(f"{name}-{n}" for n in range(2, len(taken) + 3))]
    return next(one for one in names if one not in taken)
