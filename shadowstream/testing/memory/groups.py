"""The group coordinator, classic protocol: members, generations, range, and offsets.

States of a group: empty (no member), preparing (a member joined or left; each revokes its partitions and joins again),
stable (all have joined; the assignment holds). A member that is silent but within its session delays all others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import OFFSET_INVALID, KafkaError, TopicPartition

from shadowstream.records import Partition
from shadowstream.testing.memory.hosts import Host

METADATA_MAX = 4_095
"""Bytes of metadata that the broker accepts (offset.metadata.max.bytes, less one)."""


class CommittedOffset(NamedTuple):
    """A committed offset."""

    offset: int
    metadata: str


class Membership(NamedTuple):
    """A consumer's identity when offsets are sent; generation -1 and no member if it uses `assign` only."""

    group: str
    generation: int = -1
    member: str = ""
    instance: str | None = None


@dataclass(slots=True)
class Member:
    """A member of a group. `fresh` until it has received its assignment."""

    id: str
    instance: str | None
    host: Host
    topics: tuple[str, ...]
    session_ms: int
    heard_ms: int
    joined: bool = True
    fresh: bool = True
    fenced: bool = False
    generation: int = -1
    poll_max_ms: int = 300_000
    polled_ms: int = 0
    places: list[Partition] = field(default_factory=list)


class Group:
    """One group."""

    def __init__(self, name: str, counts: Callable[[], Mapping[str, int]], now_ms: Callable[[], int]) -> None:
        self.name, self._counts, self._now_ms = name, counts, now_ms
        self.generation = 0
        self.preparing = False
        self.members: dict[str, Member] = {}
        self.offsets: dict[Partition, CommittedOffset] = {}
        self.pending: dict[int, dict[Partition, CommittedOffset]] = {}
        self._numbers = 0

    def join(self, host: Host, topics: Iterable[str], instance: str | None, session_ms: int) -> Member:
        """Add a member. One with the instance of an older member replaces it without a rebalance."""
        self._numbers += 1
        member = Member(
            f"{self.name}-{self._numbers}", instance, host, tuple(sorted(topics)), session_ms, self._now_ms()
        )
        member.polled_ms = member.heard_ms
        older = next((m for m in self.members.values() if instance is not None and m.instance == instance), None)
        if older is not None:
            older.fenced = True
            del self.members[older.id]
            if not self.preparing and older.topics == member.topics:
                member.places = older.places
                self.members[member.id] = member
                return member
        self.members[member.id] = member
        self._prepare()
        return member

    def leave(self, member: Member) -> None:
        if self.members.pop(member.id, None) is not None:
            self._prepare()

    def rejoin(self, member: Member) -> None:
        member.joined, member.places = True, []
        self._complete()

    def _prepare(self) -> None:
        if not self.preparing:
            self.preparing = True
            for one in self.members.values():
                one.joined = not one.places  # who holds something gives it up first
        self._complete()

    def _complete(self) -> None:
        if not all(member.joined for member in self.members.values()):
            return
        self.preparing = False
        self.generation += 1
        wanted = ranged(self.members.values(), self._counts())
        for member in self.members.values():
            member.places, member.fresh = wanted[member.id], True

    def tick(self, now_ms: int) -> None:
        """Take heartbeats of live members; remove those beyond their session."""
        for member in list(self.members.values()):
            if member.host.alive and not member.host.frozen:
                member.heard_ms = now_ms
            if now_ms - member.heard_ms > member.session_ms or now_ms - member.polled_ms > member.poll_max_ms:
                self.leave(member)

    def take(self, member: Member) -> list[Partition]:
        member.fresh, member.generation = False, self.generation
        return member.places

    def refusal(self, sender: Membership) -> int | None:
        """Return why offsets of this sender are refused. Without a generation nothing else is checked."""
        if sender.generation < 0 and not sender.member:
            return None
        member = self.members.get(sender.member)
        if member is None:
            same = [m for m in self.members.values() if sender.instance is not None and m.instance == sender.instance]
            return KafkaError.FENCED_INSTANCE_ID if same else KafkaError.UNKNOWN_MEMBER_ID
        return KafkaError.ILLEGAL_GENERATION if sender.generation != self.generation else None

    def committed(self, places: Iterable[Partition]) -> list[TopicPartition]:
        kept = [(place, self.offsets.get(place, CommittedOffset(OFFSET_INVALID, ""))) for place in places]
        return [TopicPartition(*place, one.offset, one.metadata) for place, one in kept]

    def set_back(self, offsets: Mapping[Partition, int]) -> None:
        self.offsets |= {place: CommittedOffset(offset, "") for place, offset in offsets.items()}

    def decide(self, producer: int, *, commit: bool) -> None:
        offsets = self.pending.pop(producer, {})
        if commit:
            self.offsets |= offsets

    def is_stable(self, places: Iterable[Partition]) -> bool:
        """Return whether no undecided transaction may change the offsets of these partitions."""
        waiting = {place for offsets in self.pending.values() for place in offsets}
        return waiting.isdisjoint(places)


class GroupRegistry:
    """All groups, created at first use."""

    def __init__(self, counts: Callable[[], Mapping[str, int]], now_ms: Callable[[], int]) -> None:
        self._counts, self._now_ms = counts, now_ms
        self.all: dict[str, Group] = {}

    def of(self, name: str) -> Group:
        if name not in self.all:
            self.all[name] = Group(name, self._counts, self._now_ms)
        return self.all[name]

    def tick(self) -> None:
        now_ms = self._now_ms()
        for group in self.all.values():
            if group.members:
                group.tick(now_ms)


def ranged(members: Iterable[Member], counts: Mapping[str, int]) -> dict[str, list[Partition]]:
    """Kafka's range: topic by topic a run of partitions to each member, members in the order of their ids. Members with
    an instance are ordered by it. So partition p of topics with equal counts goes to one member."""
    ordered = sorted(members, key=lambda member: (member.instance is None, member.instance or member.id))
    found: dict[str, list[Partition]] = {member.id: [] for member in ordered}
    for topic in sorted({topic for member in ordered for topic in member.topics}):
        mine = [member for member in ordered if topic in member.topics]
        count, begin = counts.get(topic, 0), 0
        for place, member in enumerate(mine):
            n = count // len(mine) + (place < count % len(mine))
            found[member.id] += [Partition(topic, partition) for partition in range(begin, begin + n)]
            begin += n
    return found
