"""The isolation rules: what a trial may write and which groups it may use, for every name and topic."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shadowstream.disk import topic_bytes, unbounded_topics
from shadowstream.errors import ConfigError, IsolationError
from shadowstream.topics import SEGMENT_BYTES_MIN, Kept, TopicPlan

GOOD_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?", fullmatch=True)
TOPICS = st.from_regex(r"[A-Za-z0-9._-]{1,249}", fullmatch=True)
KINDS = ("progress", "starts", "diff", "stats", "state", "judge-state", "drift", "verdict", "audit", "commands")


@pytest.mark.parametrize(
    "name", ["", ".", "a.b", "A", "a b", "-a", "a-", "_a", "a_", "a" * 65, "ä", "a/b", "a\n", "a\0", "shadow.x", "a*"]
)
def test_a_name_that_could_leave_its_prefix_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"name: .* is not usable; use 1-64 of"):
        TopicPlan(name)


@given(GOOD_NAMES, TOPICS)
def test_everything_a_plan_names_may_be_written_by_it(name: str, topic: str) -> None:
    plan = TopicPlan(name)
    assume(len(plan.out(topic)) <= 249)
    for owned in (plan.out(topic), *map(plan.of, KINDS), plan.dead_letter("runner")):
        assert owned.startswith(f"shadow.{name}.")
        plan.check_write(owned)


@given(GOOD_NAMES, TOPICS)
def test_nothing_outside_the_prefix_is_ever_written(name: str, topic: str) -> None:
    plan = TopicPlan(name)
    if topic.startswith(f"shadow.{name}.") and topic != f"shadow.{name}.":
        plan.check_write(topic)
    else:
        with pytest.raises(IsolationError, match="refused to write"):
            plan.check_write(topic)


@given(GOOD_NAMES, GOOD_NAMES, TOPICS)
def test_no_trial_may_write_what_another_owns(mine: str, other: str, topic: str) -> None:
    assume(mine != other)
    plan, foreign = TopicPlan(mine), TopicPlan(other)
    for owned in (foreign.out(topic), *map(foreign.of, KINDS), foreign.dead_letter("joiner")):
        with pytest.raises(IsolationError):
            plan.check_write(owned)
    with pytest.raises(IsolationError):
        plan.check_group(foreign.group("runner"))


@pytest.mark.parametrize(
    "topic",
    [
        "scores",
        "shadow.fraud",
        "shadow.fraud.",
        "shadow.fraud2.out.scores",
        "shadow.fraud-2.diff",
        "Shadow.fraud.out.scores",
        " shadow.fraud.out.scores",
        "xshadow.fraud.out.scores",
        "",
    ],
)
def test_a_topic_that_only_looks_like_its_own_is_refused(topic: str) -> None:
    with pytest.raises(IsolationError, match=r"may write only to topics under 'shadow\.fraud\.'"):
        TopicPlan("fraud").check_write(topic)


def test_an_output_name_too_long_for_kafka_is_refused_unwritten() -> None:
    plan = TopicPlan("fraud")
    room = 249 - len(plan.out(""))
    plan.check_write(plan.out("t" * room))
    with pytest.raises(IsolationError, match="at most 249 characters"):
        plan.check_write(plan.out("t" * (room + 1)))


def test_a_plan_with_too_long_a_name_is_refused() -> None:
    with pytest.raises(IsolationError):
        TopicPlan("fraud").specs({"t" * 249: 3})


def test_the_groups_of_a_trial_are_its_own() -> None:
    plan = TopicPlan("fraud")
    for role in ("runner", "joiner", "judge"):
        plan.check_group(plan.group(role), ["scorer"])


@pytest.mark.parametrize("group", ["scorer", "shadow.fraud2.runner", "shadow.fraud", "runner", ""])
def test_a_group_of_others_is_refused(group: str) -> None:
    with pytest.raises(IsolationError, match="refused to use group"):
        TopicPlan("fraud").check_group(group)


def test_a_group_of_the_trial_that_production_uses_is_refused() -> None:
    with pytest.raises(IsolationError, match="production uses it"):
        TopicPlan("fraud").check_group("shadow.fraud.runner", ["shadow.fraud.runner"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "groups"),
    [
        (["shadow.fraud.out.scores"], ["scores"], []),
        (["shadow.other.diff"], ["scores"], []),
        (["payments"], ["scores", "shadow.fraud.out.scores"], []),
        (["payments"], ["scores"], ["scorer", "shadow.fraud.runner"]),
    ],
)
def test_a_trials_own_topics_and_groups_are_never_taken_for_productions(
    inputs: list[str], outputs: list[str], groups: list[str]
) -> None:
    with pytest.raises(IsolationError, match=r"is under 'shadow\."):
        TopicPlan("fraud").check_reads(inputs, outputs, groups)


def test_productions_topics_and_groups_may_be_read() -> None:
    TopicPlan("fraud").check_reads(["payments", "shadows"], ["scores"], ["scorer", "shadow.other.runner"])


@given(st.dictionaries(st.from_regex(r"[a-z]{1,20}", fullmatch=True), st.integers(1, 64), min_size=1, max_size=4))
def test_topics_keep_old_timestamps_and_pairs_keep_their_partition(outputs: dict[str, int]) -> None:
    plan = TopicPlan("fraud")
    specs = {spec.name: spec for spec in plan.specs(outputs)}
    assert {plan.of(kind) for kind in KINDS} | {plan.out(topic) for topic in outputs} <= set(specs)
    for topic, partitions in outputs.items():
        assert specs[plan.out(topic)].partitions == partitions
    for name in ("diff", "stats"):
        assert specs[plan.of(name)].partitions == max(outputs.values())
    for name in ("progress", "starts", "drift", "verdict", "audit", "commands"):
        assert specs[plan.of(name)].partitions == 1
    for spec in specs.values():
        plan.check_write(spec.name)
        settings = dict(spec.config)
        if "delete" in settings.get("cleanup.policy", "delete"):
            assert settings["retention.ms"] == "-1", f"{spec.name} holds event times, which age at once"


BOUNDED = Kept(1_000, 2_000, 500_000_000)
KEPT_WHOLE = {"starts", "drift", "audit", "commands"}
"""Few records; some command or start needs each of them."""


@given(st.integers(1, 10**13))
def test_every_growing_topic_has_a_bound_that_its_segments_fit(kept_bytes: int) -> None:
    plan = TopicPlan("fraud")
    options = {"diff_json": True, "labels": True}
    specs = plan.specs({"scores": 3}, repartitioned=["scores"], kept=BOUNDED._replace(bytes=kept_bytes), **options)
    assert {name.removeprefix(plan.prefix) for name in unbounded_topics(specs)} == KEPT_WHOLE
    for spec in specs:
        settings = dict(spec.config)
        if "retention.bytes" in settings:
            assert int(settings["segment.bytes"]) >= max(SEGMENT_BYTES_MIN, int(settings.get("max.message.bytes", 0)))
            written = topic_bytes(spec, float("inf"))
            assert written == spec.partitions * (kept_bytes + int(settings["segment.bytes"]))


def test_topics_with_event_times_have_a_bound_of_time_of_their_own() -> None:
    plan = TopicPlan("fraud")
    specs = plan.specs({"scores": 3}, labels=True, kept=BOUNDED)
    times = {spec.name.removeprefix(plan.prefix): dict(spec.config).get("retention.ms") for spec in specs}
    assert {name for name, ms in times.items() if ms == "1000"} == {"progress", "stats"}
    assert {name for name, ms in times.items() if ms == "2000"} == {
        *("out.scores", "diff", "scored", "dlq.runner", "dlq.joiner"),
    }
    assert {name for name, ms in times.items() if ms == "-1"} == KEPT_WHOLE


def test_a_copy_of_productions_output_is_planned_only_where_it_is_needed() -> None:
    plan = TopicPlan("fraud")
    names = {spec.name for spec in plan.specs({"scores": 3, "alerts": 2})}
    specs = {spec.name: spec for spec in plan.specs({"scores": 3, "alerts": 2}, repartitioned=["alerts"])}
    assert specs.keys() - names == {"shadow.fraud.repartition.alerts"}
    copies = specs["shadow.fraud.repartition.alerts"]
    assert copies.partitions == 2
    assert dict(copies.config)["retention.ms"] == "-1"
