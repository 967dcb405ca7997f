"""A trial's name is bound to the topics of its start marks, whatever release has written them."""

from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.kafka.trial.bound_topics import refuse_other_topics, topics_field
from shadowstream.kafka.trial.start_log import Starts
from shadowstream.protocol import marks
from tests.memory.runner_world import REVISION

DOCUMENT: dict[str, Any] = {
    "name": "fraud",
    "inputs": ["payments", "refunds"],
    "production": {"outputs": ["scores"], "group": "scoring"},
    "candidate": {"call": "m:f", "trusted": True},
}
TWIN = {"twin": {"topic": "scores-twin"}}
JOB = {"candidate": {"topic": "scores-v2", "group": "scoring-v2", "version": "2"}}


def config(**changed: Any) -> Config:
    return Config.model_validate(DOCUMENT | changed)


def begun(config: Config, revision: str = REVISION, kind: str = "start", **fields: Any) -> dict[str, Any]:
    return marks.mark(kind, revision, **{"topics": topics_field(config), **fields})


def known(*records: dict[str, Any]) -> Starts:
    found = Starts()
    for record in records:
        found.add(record)
    return found


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {},
            {"inputs": ["pay2"]},
            "inputs: trial 'fraud' began with inputs payments, refunds, and this config has inputs pay2",
        ),
        ({}, {"inputs": ["payments"]}, "this config has inputs payments."),
        ({}, {"inputs": ["payments", "refunds", "pay2"]}, "this config has inputs pay2, payments, refunds."),
        (
            {},
            {"production": {"outputs": ["sc2"], "group": "scoring"}},
            "production.outputs: trial 'fraud' began with production.outputs scores, and this config has "
            "production.outputs sc2.",
        ),
        ({}, TWIN, "twin.topic: trial 'fraud' began with twin.topic none, and this config has twin.topic scores-twin."),
        (TWIN, {}, "twin.topic: trial 'fraud' began with twin.topic scores-twin, and this config has twin.topic none."),
        (TWIN, {"twin": {"topic": "other"}}, "this config has twin.topic other."),
        ({}, JOB, "candidate.topic: trial 'fraud' began with candidate.topic none"),
        (JOB, {"candidate": JOB["candidate"] | {"topic": "scores-v3"}}, "this config has candidate.topic scores-v3."),
        (
            TWIN,
            {"inputs": ["pay2"], "production": {"outputs": ["sc2"]}},
            "began with inputs payments, refunds, production.outputs scores, twin.topic scores-twin, and this config "
            "has inputs pay2, production.outputs sc2, twin.topic none.",
        ),
    ],
)
def test_other_topics_are_refused_and_both_are_named(
    before: dict[str, Any], after: dict[str, Any], expected: str
) -> None:
    starts = known(begun(config(**before)))
    refuse_other_topics(config(**before), starts)
    with pytest.raises(ConfigError) as refused:
        refuse_other_topics(config(**after), starts)
    assert expected in str(refused.value)
    assert str(refused.value).endswith("Give this trial another name, or restore those topics in the config")


def test_the_order_of_topics_is_no_difference() -> None:
    refuse_other_topics(config(inputs=["refunds", "payments"]), known(begun(config())))


def test_another_revision_is_bound_as_well() -> None:
    refuse_other_topics(config(), known(begun(config(), "ff" * 16)), REVISION)
    with pytest.raises(ConfigError):
        refuse_other_topics(config(inputs=["pay2"]), known(begun(config(), "ff" * 16)), REVISION)


def test_a_single_begin_mark_binds_nobody() -> None:
    refuse_other_topics(config(inputs=["pay2"]), known(begun(config(), kind="begin")))


OLD_BEGINS = [
    {"topic": topic, "partition": 0, "committed": 0, "end": -1, "bound": -1} for topic in ("payments", "refunds")
]


@pytest.mark.parametrize(
    "fields",
    [
        {"partitioners": [{"topic": "scores", "kind": "murmur2"}]},
        {"ends": [{"topic": "scores", "partition": 0, "offset": 3}]},
    ],
)
def test_a_mark_of_an_earlier_release_binds_inputs_and_outputs(fields: dict[str, Any]) -> None:
    old = known(begun(config(), topics=[], begins=OLD_BEGINS, **fields))
    for good in ({}, TWIN, JOB):
        refuse_other_topics(config(**good), old)
    for changed in ({"inputs": ["pay2"]}, {"production": {"outputs": ["sc2"]}}):
        with pytest.raises(ConfigError):
            refuse_other_topics(config(**changed), old)


def test_a_mark_that_names_no_topic_at_all_binds_nobody() -> None:
    refuse_other_topics(config(inputs=["pay2"]), known(begun(config(), topics=[])))
