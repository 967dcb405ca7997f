import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.own import decode, encode
from shadowstream.config import Config
from shadowstream.errors import ShadowstreamBug
from shadowstream.judge import step
from shadowstream.judge.step import STATE_BYTES_MAX, JudgeStep
from shadowstream.judge.utc_text import utc_text
from tests.judge.stats_records import HOUR_MS, REVISION, Trial, cell, config, interleaved, stats

A, B = "scores/0", "scores/1"
DAY = [{"match": 1000, "input": 1000}] * 24
EXAMPLES = (10, pytest.param(100, marks=pytest.mark.long))
"""Generated trials of a property, by default and in `make proof`."""


class JudgeLoop:
    """Gives stats records to a judge as a loop would, and keeps what it writes."""

    def __init__(self, tasks: int = 1, settings: Config | None = None) -> None:
        self.settings = settings or config()
        self.names = [f"scores/{partition}" for partition in range(tasks)]
        self.step = JudgeStep(self.settings, REVISION, self.names)
        self.ends = dict.fromkeys(range(tasks), 0)
        self.written: list[tuple[str, bytes | None, dict[str, Any]]] = []
        self.state: dict[str, Any] | None = None

    def give(self, record: dict[str, Any]) -> None:
        partition = int(record["task"].rsplit("/", 1)[1])
        self.step.step(partition, self.ends[partition], record)
        self.ends[partition] += 1

    def evaluate(self, **how: Any) -> dict[str, Any]:
        effects = self.step.evaluate(1_700_000_000_000, **how)
        for write in effects.writes:
            assert write.partition == 0
            assert write.value is not None
            _, value = decode(write.value)
            self.written.append((write.topic.removeprefix("shadow.fraud."), write.key, value))
            if write.topic == "shadow.fraud.judge-state":
                self.state = value
        return effects.verdict

    def restart(self) -> None:
        """A new process: state from judge-state, positions from its offsets."""
        self.step = JudgeStep(self.settings, REVISION, self.names)
        self.step.restore(self.state)
        self.ends = dict.fromkeys(self.ends, 0) | self.step.offsets()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [value for topic, _, value in self.written if topic == kind]


def judged(records: list[dict[str, Any]], tasks: int = 1, every: int = 1, settings: Config | None = None) -> JudgeLoop:
    """All records, evaluated after each `every` of them and at the end."""
    loop = JudgeLoop(tasks, settings)
    for index, record in enumerate(records, start=1):
        loop.give(record)
        if index % every == 0:
            loop.evaluate()
    loop.evaluate()
    return loop


def hourly_records(hours: list[dict[str, int]]) -> list[dict[str, Any]]:
    return Trial(hours).task_logs(random.Random(1))[0]


def test_a_good_day_ends_in_promote() -> None:
    loop = judged(hourly_records(DAY))
    assert loop.step.finished
    last = loop.of("verdict")[-1]
    assert (last["decision"], last["final"], last["windows_closed"]) == ("promote", True, 24)
    assert {verdict["decision"] for verdict in loop.of("verdict")[:-2]} == {"not_yet"}
    assert loop.of("drift") == []


def test_a_candidate_wrong_from_the_first_record_is_rejected_by_its_level() -> None:
    loop = judged(hourly_records([{"match": 870, "mismatch": 130, "input": 1000}] * 24))
    last = loop.of("verdict")[-1]
    assert last["decision"] == "reject"
    assert "mismatch: 13 % wrong (130 of 1,000 pairs), shown to be over the limit 1 %" in last["reasons"][0]
    assert [event["event"] for event in loop.of("drift")] == ["flag"]


@pytest.mark.parametrize("days", [30, pytest.param(200, marks=pytest.mark.long)])
def test_a_fault_that_begins_late_is_an_incident_and_then_a_reject(days: int) -> None:
    # As the flights: 38 an hour, from some day on a unit error for one carrier of six.
    good, bad = {"match": 38, "input": 38}, {"match": 32, "mismatch": 6, "input": 38}
    switch = days * 24
    loop = judged(hourly_records([good] * switch + [bad] * (20 * 24)), every=24)
    events = loop.of("drift")
    opened = [event for event in events if event["event"] == "opened"]
    assert [event["criterion"] for event in opened] == ["mismatch"]
    assert min(event["window_end_ms"] for event in events) > switch * HOUR_MS
    # 2,000 flights of the carrier are 333 hours.
    assert opened[0]["window_end_ms"] <= (switch + 333) * HOUR_MS
    last = loop.of("verdict")[-1]
    assert last["decision"] == "reject"
    assert last["incidents_open"] == [opened[0]["incident"]]
    # The incident rejects before the level over the whole revision can: 120 of 182,000, and of 27,000 as well, are far
    # under it by then.
    assert "has not gone away" in last["reasons"][0]


def test_a_reject_stays_whatever_comes_later() -> None:
    loop = judged(hourly_records([{"match": 70, "mismatch": 30, "input": 100}] + DAY * 9))
    last = loop.of("verdict")[-1]
    mismatch = next(entry for entry in last["criteria"] if entry["rate"] == "mismatch")
    assert (mismatch["shown_good"], mismatch["shown_bad"]) == (True, False)
    assert last["decision"] == "reject"
    assert "30 of 100 pairs" in last["reasons"][0]


def test_windows_that_close_together_are_judged_one_by_one() -> None:
    loop = JudgeLoop()
    bad, good = cell(0, match=70, mismatch=30), cell(HOUR_MS, match=100_000)
    loop.give(stats(A, 1, bad, good, complete=True))
    # 30 of 100,100 are no excess, 30 of the first 100 were.
    assert loop.evaluate()["decision"] == "reject"


def test_a_reject_survives_a_restart() -> None:
    loop = judged([stats(A, 1, cell(0, match=70, mismatch=30), cell(HOUR_MS, match=100_000), complete=True)])
    loop.restart()
    assert loop.evaluate()["decision"] == "reject"


def test_what_comes_after_all_makes_up_for_having_been_missing() -> None:
    hours = [dict(hour) for hour in DAY]
    # Under the limit over the day; the last 1,000 alone speak against it.
    hours[22] = {"match": 981, "missing": 19, "input": 1000}
    hours[23] = {"match": 100, "input": 100}
    kept = judged(hourly_records(hours)).of("verdict")[-1]
    assert kept["decision"] == "not_yet"
    assert any("(19 of 1,100 newest production records)" in reason for reason in kept["reasons"])
    trial = Trial(hours, [(23, 22, "missing", "match")] * 19)
    corrected = judged(trial.task_logs(random.Random(1))[0]).of("verdict")[-1]
    assert (corrected["decision"], corrected["outcomes"]["match"]) == ("promote", 23 * 1000 + 100)


def test_an_excess_of_a_criterion_that_is_not_critical_rejects_nothing() -> None:
    lenient = config(criteria=[{"rate": "mismatch", "limit": 0.01, "critical": False}])
    loop = judged(hourly_records([{"match": 70, "mismatch": 30, "input": 100}] * 24), settings=lenient)
    last = loop.of("verdict")[-1]
    assert last["criteria"][0]["shown_bad"]
    assert last["decision"] == "not_yet"


def test_writes_go_to_their_topics_with_their_keys() -> None:
    loop = JudgeLoop()
    hours = [{"match": 500}] * 9 + [{"match": 400, "mismatch": 100}]
    for record in hourly_records(hours):
        loop.give(record)
    loop.evaluate()
    assert [(topic, key) for topic, key, _ in loop.written] == [
        ("drift", b"mismatch"),
        ("drift", b"mismatch"),
        ("verdict", REVISION.encode()),
        ("audit", None),
        ("judge-state", REVISION.encode()),
    ]
    assert loop.of("audit") == loop.of("verdict")
    assert [event["event"] for event in loop.of("drift")] == ["flag", "opened"]


def test_a_verdict_is_written_on_change_or_request() -> None:
    loop = JudgeLoop()
    loop.evaluate()
    assert [topic for topic, _, _ in loop.written] == ["verdict", "audit", "judge-state"]
    loop.written.clear()
    loop.evaluate()
    assert loop.written == []
    loop.evaluate(force=True)
    assert [topic for topic, _, _ in loop.written] == ["verdict"]
    loop.written.clear()
    # A record that decides nothing moves the state alone.
    loop.give(stats(A, 1))
    loop.evaluate()
    assert [topic for topic, _, _ in loop.written] == ["judge-state"]


def test_a_restart_does_not_say_the_same_verdict_again() -> None:
    loop = judged(hourly_records(DAY))
    entry = len(loop.of("verdict"))
    loop.restart()
    loop.evaluate()
    assert len(loop.of("verdict")) == entry


def test_offsets_are_those_of_the_next_records() -> None:
    loop = JudgeLoop(2)
    assert loop.step.offsets() == {}
    for record in (stats(B, 1), stats(A, 1), stats(B, 2)):
        loop.give(record)
    assert loop.step.offsets() == {0: 1, 1: 2}
    loop.evaluate()
    assert loop.state is not None
    assert loop.state["offsets"] == {"0": 1, "1": 2}


def test_a_record_given_again_changes_nothing() -> None:
    loop = JudgeLoop()
    record = stats(A, 1, cell(0, match=5), complete=True)
    loop.step.step(0, 0, record)
    loop.step.step(0, 0, record)
    assert loop.evaluate()["outcomes"] == {"match": 5}
    # The same commit at another offset: a zombie's, that the sequence tells.
    loop.step.step(0, 1, record)
    assert loop.evaluate()["outcomes"] == {"match": 5}
    assert loop.evaluate()["remainder"] == 0


def test_it_is_finished_when_every_task_is_complete() -> None:
    loop, finished = JudgeLoop(2), []
    for record in (stats(A, 1, complete=True), stats(B, 1, cell(0, match=1)), stats(B, 2, complete=True)):
        loop.give(record)
        finished.append(loop.step.finished)
    assert finished == [False, False, True]
    assert loop.evaluate()["windows_open"] == 0


def test_state_of_another_form_is_left_and_everything_is_read_again() -> None:
    loop = judged(hourly_records(DAY))
    first = loop.of("verdict")[-1]
    assert loop.state is not None
    loop.state["version"] = 99
    loop.restart()
    assert loop.step.offsets() == {}
    for record in hourly_records(DAY):
        loop.give(record)
    assert loop.evaluate()["evidence_digest"] == first["evidence_digest"]


def test_state_of_another_revision_or_of_other_criteria_is_refused() -> None:
    loop = judged(hourly_records(DAY))
    with pytest.raises(ShadowstreamBug, match="was given the state of"):
        JudgeStep(config(), "ffff", [A]).restore(loop.state)
    with pytest.raises(ShadowstreamBug, match="the revision did not"):
        JudgeStep(config(alpha=0.01), REVISION, [A]).restore(loop.state)


def test_a_year_of_open_windows_fits_one_message() -> None:
    draw = random.Random(5)
    loop = JudgeLoop(2)
    for hour in range(366 * 24):
        fields = {"score": draw.randint(0, 9), "late": draw.randint(0, 9)}
        match, mismatch, inputs = draw.randint(20, 70), draw.randint(0, 9), draw.randint(20, 70)
        delta = cell(hour * HOUR_MS, fields=fields, match=match, mismatch=mismatch, input=inputs)
        loop.give(stats(A, hour + 1, delta, watermark_ms=(hour + 1) * HOUR_MS))
    assert loop.evaluate()["windows_open"] == 366 * 24
    assert loop.state is not None
    assert len(encode("judge_state", loop.state)) < 500_000


@pytest.mark.parametrize("hours", [100, pytest.param(400, marks=pytest.mark.long)])
def test_a_state_too_large_for_a_message_survives_a_restart_unwritten(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default a quarter of the windows, and a quarter of the limit."""
    limit = STATE_BYTES_MAX * hours // 400
    monkeypatch.setattr(step, "STATE_BYTES_MAX", limit)
    draw = random.Random(6)
    records = []
    for hour in range(hours):
        one = cell(hour * HOUR_MS, match=5000)
        one["buckets"] = [{"bucket": b, "n": draw.randint(1, 9999), "s": draw.randint(0, 1)} for b in range(1024)]
        records.append(stats(A, hour + 1, one))
    loop = judged(records, every=hours // 4)
    assert loop.of("judge-state")[-1]["offsets"] != {"0": hours}
    assert all(len(encode("judge_state", state)) <= limit for state in loop.of("judge-state"))
    loop.give(stats(A, hours + 1))
    assert loop.step.evaluate(0).unsaved > limit
    # What is closed is added up, and the state fits again.
    records += [stats(A, hours + 1), stats(A, hours + 2, complete=True)]
    loop.restart()
    for record in records[loop.ends[0] :]:
        loop.give(record)
    again = loop.evaluate()
    assert again["windows_closed"] == hours
    assert loop.of("judge-state")[-1]["offsets"] == {"0": hours + 2}
    assert again["evidence_digest"] == judged(records, every=10**6).evaluate()["evidence_digest"]


def test_memory_is_bounded_by_what_is_open_and_trailing() -> None:
    loop = judged(hourly_records([{"match": 90, "mismatch": 1, "input": 91}] * 500), every=100)
    assert loop.state is not None
    kept = sum(len(trailing.snapshot()) for trailing in loop.step.recent_windows.values())
    # 898 units at 91 an hour: ten hours for each of the five criteria.
    assert kept == 5 * 10
    assert len(encode("judge_state", loop.state)) < 100_000


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """Days in which the rates of mismatch and missing change at random, with corrections of what was missing."""
    dice = random.Random(draw(st.integers(0, 2**32)))
    hours: list[dict[str, int]] = []
    for level in draw(st.lists(st.sampled_from([0.0, 0.003, 0.04]), min_size=1, max_size=4)):
        for _ in range(dice.randint(5, 20)):
            n = dice.randint(0, 400)
            bad, missing = round(n * level * 2 * dice.random()), round(n * level * dice.random())
            hours.append({"match": n, "mismatch": bad, "missing": missing, "input": n + bad + missing})
    corrections = []
    for _ in range(draw(st.integers(0, 6))):
        of = dice.randrange(len(hours))
        entry = dice.randrange(of + 1, len(hours) + 1)
        if entry < len(hours) and hours[of]["missing"] > 6:
            corrections.append((entry, of, "missing", dice.choice(["match", "mismatch"])))
    return Trial(hours, corrections)


def evidence(loop: JudgeLoop) -> tuple[str, list[dict[str, Any]], str]:
    last = loop.step.verdict(0)
    return last["evidence_digest"], loop.of("drift"), last["decision"]


@pytest.mark.parametrize("examples", EXAMPLES)
def test_how_often_one_looks_changes_nothing(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(trial=trials(), tasks=st.integers(1, 3), seed=st.integers(0, 2**32), every=st.integers(1, 40))
    def holds(trial: Trial, tasks: int, seed: int, every: int) -> None:
        draw = random.Random(seed)
        records = interleaved(draw, trial.task_logs(draw, tasks, commits_max=2))
        assert evidence(judged(records, tasks, every)) == evidence(judged(records, tasks, len(records)))

    holds()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_order_and_any_split_give_the_same_evidence(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(trial=trials(), tasks=st.integers(1, 4), seed=st.integers(0, 2**32))
    def holds(trial: Trial, tasks: int, seed: int) -> None:
        draw = random.Random(seed)
        one = trial.task_logs(draw)[0]
        many = trial.task_logs(draw, tasks, commits_max=3)
        expected = evidence(judged(one, every=10**6))
        assert evidence(judged(interleaved(draw, many), tasks, 10**6)) == expected
        assert evidence(judged(interleaved(draw, many), tasks, 10**6)) == expected

    holds()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_restart_gives_the_same_evidence(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(trial=trials(), seed=st.integers(0, 2**32), deaths=st.lists(st.integers(0, 200), max_size=4))
    def holds(trial: Trial, seed: int, deaths: list[int]) -> None:
        draw = random.Random(seed)
        tasks = trial.task_logs(draw, 2, commits_max=2)
        whole = judged(interleaved(draw, tasks), 2, 10**6)
        loop = JudgeLoop(2)
        turns = 0
        while any(loop.ends[k] < len(tasks[k]) for k in (0, 1)):
            partition = draw.choice([k for k in (0, 1) if loop.ends[k] < len(tasks[k])])
            loop.give(tasks[partition][loop.ends[partition]])
            turns += 1
            if draw.random() < 0.1:
                loop.evaluate()
            # Death at any point: what came after the last evaluation is given again.
            if turns in deaths:
                loop.restart()
        loop.evaluate()
        assert evidence(loop) == evidence(whole)

    holds()


def test_an_event_time_is_readable_in_reasons() -> None:
    assert utc_text(1_372_636_800_000) == "2013-07-01 00:00 UTC"
    assert utc_text(2**62) == f"{2**62} ms"
