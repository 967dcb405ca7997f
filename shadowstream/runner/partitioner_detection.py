"""Detection of production's partitioner from a sample of its outputs. Pure.

Each kind is a hypothesis: it predicts the partition of a record, and one record elsewhere refutes it.

========  ================================================================================================
kind      predicted partition
========  ================================================================================================
input     its input's: known from a header that names the input, else from the partitions of the inputs' keys
murmur2   the key's murmur2 hash, as in Java's clients
crc32     the key's CRC32, as in librdkafka's clients
same      that of production's record with the same key: for an external candidate, or a twin
========  ================================================================================================

If all are refuted, both sides are copied by identity into topics of the trial (``repartition``), which is correct for
any partitioner. Records with a null key count only if the identity does not need the key.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shadowstream.records import Partition
from shadowstream.runner.partitioner import partition_for

INPUT, SAME, REPARTITION = "input", "same", "repartition"
KINDS = (INPUT, "murmur2", "crc32", SAME)  # the kinds in order of preference
CERTAIN_BITS = 20.0
"""Evidence with which an accident is rarer than one in a million: log2 of the partitions for each key."""
STRAYS = 0.01
"""The tolerated share of stray records in a sample of a running trial: a record written by hand is no change."""
STRAYS_BY_KEY = 0.25
"""The same if only the key shows the input's partition: another record of that key may be elsewhere."""
SHOWN = 3


class SampledRecord(NamedTuple):
    """Sampled record of an output topic; `input_partition` is known if a header names the input."""

    source: Partition
    offset: int
    key: bytes | None
    input_partition: int | None = None

    def __str__(self) -> str:
        return f"{self.source}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence for one kind: the number of checked keys, and one contradicting record for each refuting key."""

    kind: str
    partitions: int
    checked: int
    against: tuple[SampledRecord, ...]
    exact: bool = True

    @property
    def survives(self) -> bool:
        """Whether no record contradicts the kind. With one partition, none can."""
        return not self.against

    @property
    def certain(self) -> bool:
        """Whether an accident would explain the sample in at most one of a million cases."""
        return self.survives and (self.partitions == 1 or self.checked * math.log2(self.partitions) >= CERTAIN_BITS)

    @property
    def contradicted(self) -> bool:
        """Whether more records contradict the kind than a few strays."""
        return len(self.against) > self.checked * (STRAYS if self.exact else STRAYS_BY_KEY)


class Choice(NamedTuple):
    """Kind that explains the sample, the number of distinct keys that show it, and whether it is no accident."""

    kind: str
    keys: int
    certain: bool


EvidenceByKind = dict[str, Evidence]


def weigh(
    sample: Sequence[SampledRecord], inputs: Mapping[bytes, Collection[int]], partitions: int, by_key: bool
) -> EvidenceByKind:
    """Return the evidence of a sample of one output topic for each kind.

    `inputs` are the input partitions in which each key was found. `by_key`: records match by their key, so that those
    without one may be in any partition.

    >>> sample = [SampledRecord(Partition("out", 1), 0, b"b")]
    >>> {kind: evidence.survives for kind, evidence in weigh(sample, {b"b": [4]}, 3, by_key=True).items()}
    {'input': True, 'murmur2': False, 'crc32': False}
    """
    keyed = [record for record in sample if record.key is not None or not by_key]
    found = {INPUT: _by_place(INPUT, keyed, inputs, partitions)}
    for kind in ("murmur2", "crc32"):
        found[kind] = _evidence(kind, partitions, keyed, [_hashed(kind, partitions, one) for one in keyed])
    return found


def evidence_of_same(sample: Sequence[SampledRecord], production: Sequence[SampledRecord], partitions: int) -> Evidence:
    homes: dict[bytes, set[int]] = {}
    for record in production:
        if record.key is not None:
            homes.setdefault(record.key, set()).add(record.source.partition)
    nameless = [record._replace(input_partition=None) for record in sample]
    return _by_place(SAME, nameless, homes, partitions)


def _hashed(kind: str, partitions: int, record: SampledRecord) -> int:
    if record.key is None and record.input_partition is None:
        return -1  # a client may choose any partition
    return partition_for(kind, record.key, record.input_partition or 0, partitions)


def _by_place(
    kind: str, sample: Sequence[SampledRecord], places: Mapping[bytes, Collection[int]], partitions: int
) -> Evidence:
    """Return the evidence by the partition that a header names, else by the partition of the same key elsewhere."""
    named = [record.input_partition for record in sample]
    if any(partition is not None for partition in named):
        return _evidence(kind, partitions, sample, [None if one is None else one % partitions for one in named])
    homes = {key: {partition % partitions for partition in found} for key, found in places.items()}
    if any(len(found) > 1 for found in homes.values()):
        # A key is in several partitions: the partition of a record cannot be predicted.
        return Evidence(kind, partitions, 0, (), exact=False)
    home_of_key = {key: next(iter(found)) for key, found in homes.items() if found}
    expected = [None if one.key is None else home_of_key.get(one.key) for one in sample]
    return _evidence(kind, partitions, sample, expected, exact=False)


def _evidence(
    kind: str,
    partitions: int,
    sample: Sequence[SampledRecord],
    expected: Sequence[int | None],
    *,
    exact: bool = True,
) -> Evidence:
    """Compare records with the partitions expected of them; None is no prediction."""
    checked: set[bytes | tuple[Partition, int]] = set()
    against: dict[bytes | tuple[Partition, int], SampledRecord] = {}
    for record, partition in zip(sample, expected, strict=True):
        if partition is None:
            continue
        name = (record.source, record.offset) if record.key is None else record.key
        checked.add(name)
        if partition != record.source.partition:
            against.setdefault(name, record)
    return Evidence(kind, partitions, len(checked), tuple(against.values()), exact)


def choose(logs: Sequence[EvidenceByKind]) -> Choice | None:
    """Return the kind that explains every log, or `repartition`; None if the sample decides nothing.

    It is the one with most keys among those that are no accident, else the first of `KINDS` that explains anything.
    """
    seen = [max(evidence.checked for evidence in weighed.values()) for weighed in logs]
    if not all(seen):
        return None
    left = []
    for kind in KINDS:
        # Production's own topic gives no evidence for `same`.
        of_kind = [weighed[kind] for weighed in logs if kind in weighed]
        keys = min((evidence.checked for evidence in of_kind), default=0)
        if keys and all(evidence.survives for evidence in of_kind):
            left.append(Choice(kind, keys, all(evidence.certain for evidence in of_kind)))
    certain = [evidence for evidence in left if evidence.certain]
    if certain:
        return max(certain, key=lambda evidence: evidence.keys)
    if left:
        return left[0]
    # One key in a wrong partition is proof. Missing keys of inputs may be a matter of timing.
    return Choice(REPARTITION, min(seen), any(weighed[INPUT].against for weighed in logs))


def contradiction(topic: str, evidence: Evidence) -> str:
    """Return a message with the evidence against a kind. It shows offsets and no keys: keys are data."""
    shown = ", ".join(map(str, evidence.against[:SHOWN]))
    more = len(evidence.against) - SHOWN
    return (
        f"of {evidence.checked} keys sampled of topic {topic!r} with {evidence.partitions} partitions, "
        f"{len(evidence.against)} are in partitions where {evidence.kind} does not put them "
        f"(partition@offset: {shown}{f' and {more} more' if more > 0 else ''})"
    )
