"""States of a partition in the loop: every rule is taken from the table of transitions itself."""

from itertools import product

import pytest

from shadowstream.errors import ShadowstreamBug
from shadowstream.kafka import partition_state
from shadowstream.kafka.partition_state import OWNED, TRANSITIONS, Assignment, Event, State
from shadowstream.records import Partition

PLACE, OTHER = Partition("orders", 0), Partition("orders", 1)
LEGAL = [(state, event) for state, moves in TRANSITIONS.items() for event in moves]
ILLEGAL = [pair for pair in product(State, Event) if pair not in LEGAL]


def paths() -> dict[State, list[Event]]:
    """The shortest way to each state from the first one."""
    found: dict[State, list[Event]] = {State.UNASSIGNED: []}
    reached = [State.UNASSIGNED]
    for state in reached:
        for event, following in TRANSITIONS[state].items():
            if following not in found:
                found[following] = [*found[state], event]
                reached.append(following)
    return found


def in_state(state: State) -> Assignment:
    assignment = Assignment()
    for event in paths()[state]:
        assignment.move([PLACE], event)
    return assignment


def test_every_state_has_its_moves_is_reachable_and_can_end() -> None:
    assert set(TRANSITIONS) == set(State) == set(paths())
    for state, moves in TRANSITIONS.items():
        assert moves[Event.LOSE] is State.UNASSIGNED, f"a process that ends must be able to leave {state}"


def test_every_event_moves_some_partition() -> None:
    assert {event for _, event in LEGAL} == set(Event)


@pytest.mark.parametrize(("state", "event"), LEGAL)
def test_a_legal_move_leads_where_the_table_says(state: State, event: Event) -> None:
    assignment = in_state(state)
    assignment.move([PLACE], event)
    assert assignment.state_of(PLACE) is TRANSITIONS[state][event]
    assert (PLACE in assignment.owned) == (TRANSITIONS[state][event] in OWNED)


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_every_other_move_is_a_bug_and_changes_nothing(state: State, event: Event) -> None:
    assignment = in_state(state)
    with pytest.raises(ShadowstreamBug, match=f"orders/0: a partition that is {state} cannot {event}"):
        assignment.move([PLACE], event)
    assert assignment.state_of(PLACE) is state


def test_of_several_partitions_all_move_or_none() -> None:
    assignment = Assignment()
    assignment.move([OTHER], Event.ASSIGN)
    with pytest.raises(ShadowstreamBug):
        assignment.move([PLACE, OTHER], Event.ASSIGN)
    assert (assignment.state_of(PLACE), assignment.state_of(OTHER)) == (State.UNASSIGNED, State.ASSIGNED)


def test_the_documented_table_is_the_one_that_is_in_force() -> None:
    rows = [("state", "event", "next state"), *((*pair, TRANSITIONS[pair[0]][pair[1]]) for pair in LEGAL)]
    line = "  ".join(["=" * 10] * 3)
    table = [line, *("  ".join(f"{cell:10}" for cell in row).rstrip() for row in rows), line]
    table.insert(2, line)
    assert "\n".join(table) in (partition_state.__doc__ or ""), "paste this:\n" + "\n".join(table)


def test_only_an_assignment_with_partitions_can_be_restored() -> None:
    assignment = Assignment()
    assignment.follow(True)
    assert not assignment.restored
    assignment.move([PLACE, OTHER], Event.ASSIGN)
    assignment.load({PLACE: 3, OTHER: 0})
    assert (assignment.owned, assignment.restored) == ({PLACE, OTHER}, False)
    assignment.follow(True)
    assert assignment.restored
    assignment.follow(False)
    assert not assignment.restored


def test_a_gated_partition_is_not_owned_and_is_reported_after_a_time() -> None:
    assignment = Assignment()
    assignment.move([PLACE, OTHER], Event.ASSIGN)
    assignment.gate([OTHER], now_s=100.0)
    assignment.load({PLACE: 0})
    assert assignment.owned == {PLACE}
    assert assignment.gated_longer_than(120.0, now_s=220.0) == []
    assert assignment.gated_longer_than(120.0, now_s=220.1) == [OTHER]


def test_a_reset_keeps_assigned_and_drops_revoked_partitions() -> None:
    assignment = Assignment()
    assignment.move([PLACE, OTHER], Event.ASSIGN)
    assignment.load({PLACE: 0, OTHER: 0})
    assignment.move([PLACE], Event.REVOKE)
    assert assignment.owned == {PLACE, OTHER}, "for its last commit"
    before = assignment.generation
    assignment.reset()
    assert (assignment.in_state(State.ASSIGNED), assignment.owned) == ([OTHER], frozenset())
    assert assignment.generation == before + 1


def test_a_consumer_that_closes_may_revoke_what_was_given_up() -> None:
    assignment = in_state(State.LIVE)
    assignment.close()
    assignment.move([PLACE], Event.REVOKE)
    assert assignment.owned == frozenset()
