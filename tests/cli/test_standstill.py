"""`explain` says who does not go on: no runner, a runner that stands, no input, no joiner."""

from __future__ import annotations

import pytest

from shadowstream.config import Config
from shadowstream.kafka.turning import Turning, look, sentences
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all

NOW_MS = 1_700_000_000_000
GOES_ON = Turning(1, 1, 7, NOW_MS - 5_000, NOW_MS, NOW_MS)


def config(bootstrap: str = "localhost:1", *, bounded: bool = False) -> Config:
    return Config.model_validate(
        {
            "name": "still",
            "kafka": {"bootstrap": bootstrap},
            "inputs": ["still-in"],
            "production": {"outputs": ["still-out"], "group": "g"},
            "candidate": {"call": "m:f", "trusted": True},
            "bounded": bounded,
        }
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        (
            {"runner_members": 0},
            "no runner runs (group shadow.still.runner; its last mark is of 2023-11-14T22:13:15Z, 5 s ago; 7 inputs "
            "wait): start it, `shadowstream run CONFIG`",
        ),
        (
            {"last_mark_ms": NOW_MS - 600_000},
            "the runner does not go on (its last mark is of 2023-11-14T22:03:20Z, 10 min ago; 7 inputs wait): read its "
            "log and /healthz",
        ),
        (
            {"waiting": 0, "last_input_ms": NOW_MS - 7_200_000},
            "no input since 2023-11-14T20:13:20Z (event time): all of still-in is read",
        ),
        ({"waiting": 0, "last_input_ms": None}, "no input yet: no record in still-in"),
        ({"joiner_members": 0}, "no joiner runs (group shadow.still.joiner): start it, `shadowstream join CONFIG`"),
    ],
)
def test_each_standstill_is_one_sentence(changes: dict[str, int | None], said: str | list[str]) -> None:
    found = sentences(config(), GOES_ON._replace(**changes))
    assert found == (said if isinstance(said, list) else [said])


def test_a_bounded_trial_that_has_read_everything_stands_still_for_a_reason() -> None:
    ended = GOES_ON._replace(runner_members=0, joiner_members=0, waiting=0)
    assert sentences(config(bounded=True), ended) == []
    assert len(sentences(config(bounded=True), ended._replace(waiting=1))) == 2


def test_on_a_broker_without_roles_both_are_named_and_without_topics_that_is_said(kafka: Broker) -> None:
    trial = config(kafka.bootstrap)
    assert look(trial) == [
        "who goes on cannot be seen: topics not found on the cluster: still-in; check the names and the right to "
        "describe them"
    ]
    create_topics(kafka.bootstrap, {"still-in": 2, trial.plan.of("progress"): 1})
    produce_all(kafka.bootstrap, "still-in", [Write(b"{}", b"k", n % 2, NOW_MS) for n in range(5)])
    said = look(trial)
    assert said[0].startswith("no runner runs (group shadow.still.runner; no mark of it yet; 5 inputs wait)")
    assert said[1].startswith("no joiner runs")
