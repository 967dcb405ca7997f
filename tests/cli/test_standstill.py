"""`explain` names the role that makes no progress: no runner, a runner that stands, no input, no joiner."""

import pytest

from shadowstream.config import Config
from shadowstream.kafka.role_progress import TrialProgress, find_obstacles, obstacles
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.least_config import least_config

NOW_MS = 1_700_000_000_000
GOES_ON = TrialProgress(7, 0, NOW_MS - 5_000, NOW_MS, NOW_MS, NOW_MS)


def config(bootstrap: str = "localhost:1", *, bounded: bool = False) -> Config:
    production = {"outputs": ["still-out"], "group": "g"}
    more = {"inputs": ["still-in"], "production": production, "bounded": bounded}
    return least_config(name="still", kafka={"bootstrap": bootstrap}, **more)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (
            {"last_mark_ms": NOW_MS - 600_000},
            "the runner does not run or makes no progress (last mark 2023-11-14 22:03:20 UTC, 10 min ago; 7 inputs "
            "wait): start it, `shadowstream run CONFIG`, or read its log and /healthz",
        ),
        (
            {"waiting": 0, "last_input_ms": NOW_MS - 7_200_000},
            "no input since 2023-11-14 20:13:20 UTC (event time): all of still-in is read",
        ),
        ({"held": "model m is away: status 503"}, "the runner pauses, and 7 inputs wait: model m is away: status 503"),
        (
            {"held": "model m is away: status 503", "waiting": 0},
            "no input since 2023-11-14 22:13:20 UTC (event time): all of still-in is read",
        ),
        ({"waiting": 0, "last_input_ms": None}, "no input yet: no record in still-in"),
        ({"unjoined": 9}, []),
        (
            {"unjoined": 9_000, "last_stats_ms": NOW_MS - 90_000},
            "the joiner does not run or makes no progress (last statistics 2023-11-14 22:11:50 UTC, 90 s ago; 9,000 "
            "records of production wait): start it, `shadowstream join CONFIG`, or read its log and /healthz",
        ),
    ],
)
def test_each_standstill_is_one_sentence(changes: dict[str, int | str | None], expected: str | list[str]) -> None:
    found = obstacles(config(), GOES_ON._replace(**changes))
    assert found == (expected if isinstance(expected, list) else [expected])


def test_a_bounded_trial_that_has_read_everything_stands_still_for_a_reason() -> None:
    ended = GOES_ON._replace(waiting=0, last_mark_ms=NOW_MS - 600_000, last_stats_ms=0)
    assert obstacles(config(bounded=True), ended) == []
    assert len(obstacles(config(bounded=True), ended._replace(waiting=1, unjoined=1))) == 2


def test_a_runner_that_waits_for_productions_first_outputs_does_not_stand_still() -> None:
    silent = GOES_ON._replace(last_mark_ms=None)
    assert obstacles(config(), silent, True) == []
    assert len(obstacles(config(), silent._replace(unjoined=5), True)) == 1


def test_without_roles_both_are_named_and_missing_topics_too(kafka: Broker) -> None:
    trial = config(kafka.bootstrap)
    assert find_obstacles(trial) == [
        "cannot read the progress of the roles: topics not found on the cluster: still-in, still-out; "
        "check the names and the right to describe them"
    ]
    create_topics(kafka.bootstrap, {"still-in": 2, "still-out": 2})  # no role has created the trial's topics
    produce_all(kafka.bootstrap, "still-in", [Write(b"{}", b"k", n % 2, NOW_MS) for n in range(5)])
    produce_all(kafka.bootstrap, "still-out", [Write(b"{}", b"k", n % 2, NOW_MS) for n in range(3)])
    found = find_obstacles(trial)
    assert found[0].startswith("the runner does not run or makes no progress (no mark yet; 5 inputs wait)")
    assert found[1].startswith(
        "the joiner does not run or makes no progress (no statistics yet; 3 records of production wait)"
    )
