"""Obstacles of a handover: offsets are final only where nobody commits and every partition has an offset of its log."""

from dataclasses import replace

import pytest

from shadowstream.handover.facts import Facts, GroupFacts, InputFacts
from shadowstream.handover.kafka_lines import KafkaLines
from shadowstream.handover.obstacles import notes_of, obstacles_of
from shadowstream.records import Partition

LINES = KafkaLines("kafka:9092", None)
PLACE = Partition("in", 0)
GOOD = InputFacts(PLACE, begin=5, end=20, committed=10, done=10)
FINAL = Facts(GroupFacts("g", "empty"), (GOOD,), 5.0)


def texts(facts: Facts) -> list[str]:
    return [one.text for one in obstacles_of(facts, LINES)]


def test_an_empty_group_whose_commits_lie_in_the_log_is_final() -> None:
    assert texts(FINAL) == []
    assert notes_of(FINAL) == []


@pytest.mark.parametrize("state", ["stable", "preparing rebalance", "completing rebalancing", "unknown", "assigning"])
def test_any_state_but_empty_may_still_commit(state: str) -> None:
    (text,) = texts(replace(FINAL, group=GroupFacts("g", state, ("rdkafka on 10.0.0.1",))))
    assert text.startswith("production still commits: group g is in state")
    assert "rdkafka on 10.0.0.1" in text


@pytest.mark.parametrize("state", ["", "dead"])
def test_a_group_that_is_not_there_gives_no_offsets(state: str) -> None:
    facts = Facts(GroupFacts("g", state), (replace(GOOD, committed=None),), 0.0)
    (text,) = texts(facts)
    assert text.startswith("the cluster shows no group g")


def test_commits_that_move_without_members_are_seen() -> None:
    (text,) = texts(replace(FINAL, moved=(PLACE,)))
    assert "its commits of in/0 moved within 5 s" in text


@pytest.mark.parametrize(
    ("changed", "part", "command"),
    [
        ({"committed": None}, "no commit of in/0, which hold records", "--to-earliest"),
        ({"committed": 2}, "up to 3 records were deleted", "--to-earliest"),
        ({"committed": 21}, "beyond the end of the log", "--to-earliest"),
        ({"committed": None, "unsettled": True}, "open transaction holds commits", ""),
    ],
)
def test_a_commit_that_no_log_has_is_an_obstacle_with_its_remedy(
    changed: dict[str, int | None], part: str, command: str
) -> None:
    (found,) = obstacles_of(replace(FINAL, inputs=(replace(GOOD, **changed),)), LINES)  # type: ignore[arg-type]  # of a table
    assert part in found.text
    assert found.remedy
    assert bool(found.commands) == bool(command)
    assert all(command in line for line in found.commands)


def test_an_empty_partition_needs_no_commit() -> None:
    assert texts(replace(FINAL, inputs=(replace(GOOD, begin=7, end=7, committed=None, done=None),))) == []


def test_the_new_versions_group_must_be_empty_too() -> None:
    (text,) = texts(replace(FINAL, new_group=GroupFacts("n", "stable", ("a on b",))))
    assert "group n is in state stable with a on b" in text
    assert texts(replace(FINAL, new_group=GroupFacts("n", ""))) == []


def test_notes_name_what_the_shadow_lacks_and_has_more() -> None:
    outputs = {Partition("out", 1): 8}
    inputs = (
        replace(GOOD, done=13),
        replace(GOOD, place=Partition("in", 1), done=6),
        replace(GOOD, place=Partition("in", 2), done=None, in_trial=False),
    )
    added, open_, ahead, trailing, unknown = notes_of(replace(FINAL, inputs=inputs, open_outputs=outputs))
    assert added.endswith("in/2")
    assert "out/1@8" in open_
    assert "ahead by 3 offsets" in ahead
    assert "behind by 4 offsets" in trailing
    assert unknown.endswith("no commit of in/2")


def test_many_partitions_are_counted_and_each_has_its_line() -> None:
    inputs = tuple(replace(GOOD, place=Partition("in", at), committed=None) for at in range(40))
    (found,) = obstacles_of(replace(FINAL, inputs=inputs), LINES)
    assert "in/11 and 28 more" in found.text
    assert len(found.commands) == 40
