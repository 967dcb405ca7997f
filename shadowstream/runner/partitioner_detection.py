"""Which partitioner production uses, found from a sample of its outputs; pure.

Each kind is a hypothesis: it says in which partition a record lies, and one record elsewhere refutes it.

========  ================================================================================================
kind      says
========  ================================================================================================
input     as its input's: known from a header that names the input, else from where the inputs' keys lie
murmur2   the key's murmur2 hash, as Java's clients have it
crc32     the key's CRC32, as librdkafka's clients have it
same      as production's record of the same key: of a candidate that is a job of its own, or of a twin
========  ================================================================================================

Where all are refuted both sides go through topics of ours by identity (``repartition``), which is right whatever
production does. Records with a null key count only where the identity does not need the key.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shadowstream.records import Place
from shadowstream.runner.partitioner import partition_for

INPUT, SAME, REPARTITION = "input", "same", "repartition"
KINDS = (INPUT, "murmur2", "crc32", SAME)
"""In the order in which they are preferred where several explain the sample."""
CERTAIN_BITS = 20.0
"""So many bits of evidence make an accident rarer than one in a million: log2 of the partitions for each key."""
STRAYS = 0.01
"""Of a sample of a running trial so many may lie elsewhere: a record that somebody wrote by hand is no change."""
STRAYS_BY_KEY = 0.25
"""The same where the input's partition is only known by its key: another record of that key may lie elsewhere."""
SHOWN = 3


class Sampled(NamedTuple):
    """A record of an output topic; `home` is its input's partition where a header names the input."""

    at: Place
    offset: int
    key: bytes | None
    home: int | None = None

    def __str__(self) -> str:
        return f"{self.at}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a sample says of one kind: distinct keys checked, and one record for each of those that lie elsewhere."""

    kind: str
    partitions: int
    checked: int
    against: tuple[Sampled, ...]
    exact: bool = True

    @property
    def survives(self) -> bool:
        """Nothing lies elsewhere. With one partition nothing can."""
        return not self.against

    @property
    def certain(self) -> bool:
        """It explains so much that it does so by accident in at most one of a million cases."""
        return self.survives and (self.partitions == 1 or self.checked * math.log2(self.partitions) >= CERTAIN_BITS)

    @property
    def contradicted(self) -> bool:
        """More lies elsewhere than a few strays."""
        return len(self.against) > self.checked * (STRAYS if self.exact else STRAYS_BY_KEY)


class Choice(NamedTuple):
    """The kind that explains the sample, from how many distinct keys, and whether that can be an accident."""

    kind: str
    keys: int
    certain: bool


Weighed = dict[str, Evidence]
"""Evidence by kind."""


def weigh(sample: Sequence[Sampled], inputs: Mapping[bytes, Collection[int]], partitions: int, by_key: bool) -> Weighed:
    """What a sample of one output topic with so many partitions says of each kind.

    `inputs` are the partitions of the inputs in which each key was found. `by_key`: whether records pair by their key,
    so that those without one may lie anywhere.

    >>> sample = [Sampled(Place("out", 1), 0, b"b")]
    >>> {kind: one.survives for kind, one in weigh(sample, {b"b": [4]}, 3, by_key=True).items()}
    {'input': True, 'murmur2': False, 'crc32': False}
    """
    keyed = [one for one in sample if one.key is not None or not by_key]
    return {
        INPUT: _by_place(INPUT, keyed, inputs, partitions),
        **{kind: _evidence(kind, partitions, keyed, _hashed(kind, partitions)) for kind in ("murmur2", "crc32")},
    }


def beside(sample: Sequence[Sampled], production: Sequence[Sampled], partitions: int) -> Evidence:
    """What a sample of another topic says of the kind `same`."""
    homes: dict[bytes, set[int]] = {}
    for one in production:
        if one.key is not None:
            homes.setdefault(one.key, set()).add(one.at.partition)
    nameless = [one._replace(home=None) for one in sample]
    return _by_place(SAME, nameless, homes, partitions)


Expected = Callable[[Sampled], "int | None"]
"""The partition in which a record should lie; None where a kind does not say, `NOWHERE` where it cannot be told."""
NOWHERE = -1


def _hashed(kind: str, partitions: int) -> Expected:
    def expected(one: Sampled) -> int:
        if one.key is None and one.home is None:
            return NOWHERE  # a client puts it anywhere
        return partition_for(kind, one.key, one.home or 0, partitions)

    return expected


def _by_place(
    kind: str, sample: Sequence[Sampled], places: Mapping[bytes, Collection[int]], partitions: int
) -> Evidence:
    """By the partition that a header names, else by that in which the key lies elsewhere."""
    if any(one.home is not None for one in sample):
        return _evidence(kind, partitions, sample, lambda one: None if one.home is None else one.home % partitions)
    homes = {key: {partition % partitions for partition in found} for key, found in places.items()}
    if any(len(found) > 1 for found in homes.values()):
        # A key lies in several partitions there: nobody can say to which of them a record belongs.
        return Evidence(kind, partitions, 0, (), exact=False)
    one_home = {key: next(iter(found)) for key, found in homes.items() if found}
    return _evidence(
        kind, partitions, sample, lambda one: None if one.key is None else one_home.get(one.key), exact=False
    )


def _evidence(
    kind: str, partitions: int, sample: Iterable[Sampled], expected: Expected, *, exact: bool = True
) -> Evidence:
    checked: set[bytes | tuple[Place, int]] = set()
    against: dict[bytes | tuple[Place, int], Sampled] = {}
    for one in sample:
        partition = expected(one)
        if partition is None:
            continue
        name = (one.at, one.offset) if one.key is None else one.key
        checked.add(name)
        if partition != one.at.partition:
            against.setdefault(name, one)
    return Evidence(kind, partitions, len(checked), tuple(against.values()), exact)


def choose(logs: Sequence[Weighed]) -> Choice | None:
    """The kind that explains every log, or `repartition`; None where nothing has been seen that could tell.

    Of those that cannot be an accident the one that explains most keys, then the first of `KINDS`; else the first of
    `KINDS` that explains anything.
    """
    seen = [max(one.checked for one in weighed.values()) for weighed in logs]
    if not all(seen):
        return None
    left = []
    for kind in KINDS:
        # Nothing says `same` of production's own topic.
        found = [weighed[kind] for weighed in logs if kind in weighed]
        keys = min((one.checked for one in found), default=0)
        if keys and all(one.survives for one in found):
            left.append(Choice(kind, keys, all(one.certain for one in found)))
    certain = [one for one in left if one.certain]
    if certain:
        return max(certain, key=lambda one: one.keys)
    if left:
        return left[0]
    # One key in a wrong place is proof; but that the inputs' keys were not found may be due to the moment.
    return Choice(REPARTITION, min(seen), any(weighed[INPUT].against for weighed in logs))


def contradiction(topic: str, found: Evidence) -> str:
    """What the sample says against a kind. Keys are data and stay where they are; offsets lead there."""
    shown = ", ".join(map(str, found.against[:SHOWN]))
    more = len(found.against) - SHOWN
    return (
        f"of {found.checked} keys sampled of topic {topic!r} with {found.partitions} partitions, {len(found.against)} "
        f"lie where {found.kind} does not put them (partition@offset: {shown}{f' and {more} more' if more > 0 else ''})"
    )
