"""State machine of one partition in the loop: states and transitions as data; any other move is a bug.

==========  ==========  ==========
state       event       next state
==========  ==========  ==========
unassigned  assign      assigned
unassigned  revoke      unassigned
unassigned  lose        unassigned
assigned    load        restoring
assigned    gate        gated
assigned    reset       assigned
assigned    revoke      unassigned
assigned    lose        unassigned
gated       reset       assigned
gated       revoke      unassigned
gated       lose        unassigned
restoring   catch_up    live
restoring   reset       assigned
restoring   revoke      revoked
restoring   lose        unassigned
live        fall_back   restoring
live        reset       assigned
live        revoke      revoked
live        lose        unassigned
revoked     reset       unassigned
revoked     lose        unassigned
==========  ==========  ==========

The table is generated from `TRANSITIONS`; `tests/kafka/test_partition_state.py` compares the two.

The classic group protocol revokes all partitions and assigns all anew. Under `group.protocol: consumer` partitions come
and go one by one. At each such change the loop commits, resets the partitions that stay, and loads complete tasks as
after a start.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from confluent_kafka import Message

from shadowstream.errors import ShadowstreamBug
from shadowstream.kafka.client.messages import records_from
from shadowstream.records import Partition


class State(StrEnum):
    """The relation of the loop to one partition."""

    UNASSIGNED = "unassigned"  # Another member has it, or none. The first and the last state of every partition.
    ASSIGNED = "assigned"  # the group has assigned it; the role does not have its committed state yet
    GATED = "gated"  # Paused, because another member has partitions of its task. Under `group.protocol: consumer` only.
    RESTORING = "restoring"  # the role has its committed state and re-reads records, up to `accounted_to`
    LIVE = "live"  # every record that the role reads is new
    REVOKED = "revoked"  # The group revokes it. The role still holds its uncommitted work, for one last commit.


class Event(StrEnum):
    """An event that moves a partition from one state to the next."""

    ASSIGN = "assign"  # the group has assigned the partition to this member
    LOAD = "load"  # the role has taken the partition with its committed state
    GATE = "gate"  # the member lacks other partitions of its task
    CATCH_UP = "catch_up"  # the role reports that all its state is restored
    FALL_BACK = "fall_back"  # the role reports incomplete state again: a pair waits for its schema
    RESET = "reset"  # the role has dropped all work: a transaction was aborted, or the assignment has changed
    REVOKE = "revoke"  # The group revokes the partition. It still accepts one last commit.
    LOSE = "lose"  # the partition is gone before a commit: the group reassigned it, or this process closes its consumer


_UNLOADED = {Event.RESET: State.ASSIGNED, Event.REVOKE: State.UNASSIGNED, Event.LOSE: State.UNASSIGNED}
_LOADED = {Event.RESET: State.ASSIGNED, Event.REVOKE: State.REVOKED, Event.LOSE: State.UNASSIGNED}
TRANSITIONS: dict[State, dict[Event, State]] = {
    # A consumer that closes revokes partitions that the loop has already given up.
    State.UNASSIGNED: {Event.ASSIGN: State.ASSIGNED, Event.REVOKE: State.UNASSIGNED, Event.LOSE: State.UNASSIGNED},
    State.ASSIGNED: {Event.LOAD: State.RESTORING, Event.GATE: State.GATED, **_UNLOADED},
    State.GATED: _UNLOADED,
    State.RESTORING: {Event.CATCH_UP: State.LIVE, **_LOADED},
    State.LIVE: {Event.FALL_BACK: State.RESTORING, **_LOADED},
    State.REVOKED: {Event.RESET: State.UNASSIGNED, Event.LOSE: State.UNASSIGNED},
}

OWNED = frozenset((State.RESTORING, State.LIVE, State.REVOKED))
"""States in which the role holds the partition, and the loop may commit for it."""


def after(state: State, event: Event) -> State:
    """Return the next state. Raises `ShadowstreamBug` for a move that `TRANSITIONS` does not hold.

    >>> after(State.ASSIGNED, Event.LOAD)
    <State.RESTORING: 'restoring'>
    """
    if event not in TRANSITIONS[state]:
        raise ShadowstreamBug(f"a partition that is {state} cannot {event}; please report this, with the log before it")
    return TRANSITIONS[state][event]


class Assignment:
    """States of all partitions that this member has, and the offsets up to which the role's work is committed."""

    def __init__(self) -> None:
        self._states: dict[Partition, State] = {}
        self._accounted_to: dict[Partition, int] = {}
        self._gated_since = 0.0
        self.owned: frozenset[Partition] = frozenset()
        """Partitions that the role holds: the loop passes their records on and commits for them."""
        self.restored = False  # whether the role holds partitions and all of them are live
        self.closed = False
        self.generation = 0
        """Number of resets so far. The client delivers a message again that it fetched under an earlier one."""

    def state_of(self, place: Partition) -> State:
        return self._states.get(place, State.UNASSIGNED)

    def in_state(self, state: State) -> list[Partition]:
        """Return the partitions in a state, in the order of their assignment."""
        return [place for place, its_state in self._states.items() if its_state is state]

    def move(self, places: Iterable[Partition], event: Event) -> None:
        """Apply an event to these partitions, all or none. Raises `ShadowstreamBug` if it is illegal for one."""
        moved = {}
        for place in places:
            try:
                moved[place] = after(self.state_of(place), event)
            except ShadowstreamBug as error:
                raise ShadowstreamBug(f"{place}: {error}") from None
        self._states |= moved
        for place, state in moved.items():
            if state is State.UNASSIGNED:
                del self._states[place]
        self._derive()

    def load(self, accounted_to: Mapping[Partition, int]) -> None:
        """Record that the role has taken these partitions and re-reads the records below these offsets."""
        self.move(accounted_to, Event.LOAD)
        self._accounted_to |= accounted_to

    def gate(self, places: Collection[Partition], now_s: float) -> None:
        """Record that the tasks of these partitions are incomplete here since `now_s` (monotonic seconds)."""
        self.move(places, Event.GATE)
        self._gated_since = now_s

    def gated_longer_than(self, seconds: float, now_s: float) -> list[Partition]:
        """Return the gated partitions if they have been gated for longer than `seconds`."""
        return self.in_state(State.GATED) if now_s - self._gated_since > seconds else []

    def follow(self, restored: bool) -> None:
        """Apply the role's report on whether all its state is restored."""
        if self.owned and restored != self.restored:
            self.move(self.owned, Event.CATCH_UP if restored else Event.FALL_BACK)

    def reset(self) -> None:
        """Record that the role has dropped all work: the loop loads the assigned partitions anew."""
        self.generation += 1
        self._accounted_to.clear()
        self.move(list(self._states), Event.RESET)

    def close(self) -> None:
        """Give up all partitions, for good: a rebalance may still assign some while the consumer closes."""
        self.closed = True
        self.move(list(self._states), Event.LOSE)

    def new_records(self, place: Partition, messages: Sequence[Message]) -> int:
        """Return the number of these records of one partition that are read for the first time."""
        return records_from(messages, self._accounted_to[place]) if place in self.owned else 0

    def _derive(self) -> None:
        self.owned = frozenset(place for place, state in self._states.items() if state in OWNED)
        self.restored = bool(self.owned) and all(self._states[place] is State.LIVE for place in self.owned)
