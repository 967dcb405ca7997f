from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.own import decode, encode
from shadowstream.config import Config
from shadowstream.errors import ShadowstreamBug
from shadowstream.judge.step import STATE_BYTES_MAX, JudgeStep
from shadowstream.judge.windows.event_windows import iso
from tests.judge.stats_records import HOUR_MS, REVISION, Trial, cell, config, interleaved, stats

A, B = "scores/0", "scores/1"
DAY = [{"match": 1000, "input": 1000}] * 24


class Bench:
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


def judged(records: list[dict[str, Any]], tasks: int = 1, every: int = 1, settings: Config | None = None) -> Bench:
    """All records, evaluated after each `every` of them and at the end."""
    bench = Bench(tasks, settings)
    for index, record in enumerate(records, start=1):
        bench.give(record)
        if index % every == 0:
            bench.evaluate()
    bench.evaluate()
    return bench


def hourly_records(hours: list[dict[str, int]]) -> list[dict[str, Any]]:
    return Trial(hours).task_logs(random.Random(1))[0]


def test_a_good_day_ends_in_promote() -> None:
    bench = judged(hourly_records(DAY))
    assert bench.step.finished
    last = bench.of("verdict")[-1]
    assert (last["decision"], last["final"], last["windows_closed"]) == ("promote", True, 24)
    assert {verdict["decision"] for verdict in bench.of("verdict")[:-2]} == {"not_yet"}
    assert bench.of("drift") == []


def test_a_candidate_wrong_from_the_first_record_is_rejected_by_its_level() -> None:
    bench = judged(hourly_records([{"match": 870, "mismatch": 130, "input": 1000}] * 24))
    last = bench.of("verdict")[-1]
    assert last["decision"] == "reject"
    assert "mismatch: 130 of 1000 pairs (13 %) are shown to be over the limit 1 %" in last["reasons"][0]
    assert [event["event"] for event in bench.of("drift")] == ["flag"]


def test_a_fault_that_begins_late_is_an_incident_and_then_a_reject() -> None:
    # As the flights: 38 an hour, from day 200 on a unit error for one carrier of six.
    good, bad = {"match": 38, "input": 38}, {"match": 32, "mismatch": 6, "input": 38}
    switch = 200 * 24
    bench = judged(hourly_records([good] * switch + [bad] * (20 * 24)), every=24)
    events = bench.of("drift")
    opened = [event for event in events if event["event"] == "opened"]
    assert [event["criterion"] for event in opened] == ["mismatch"]
    assert min(event["window_end_ms"] for event in events) > switch * HOUR_MS
    # 2,000 flights of the carrier are 333 hours.
    assert opened[0]["window_end_ms"] <= (switch + 333) * HOUR_MS
    last = bench.of("verdict")[-1]
    assert last["decision"] == "reject"
    assert last["incidents_open"] == [opened[0]["incident"]]
    # The incident rejects before the level over the whole revision can: 120 of 182,000 are far under it by then.
    assert "has not gone away" in last["reasons"][0]


def test_a_reject_stays_whatever_comes_later() -> None:
    bench = judged(hourly_records([{"match": 70, "mismatch": 30, "input": 100}] + DAY * 9))
    last = bench.of("verdict")[-1]
    mismatch = next(entry for entry in last["criteria"] if entry["rate"] == "mismatch")
    assert (mismatch["shown_good"], mismatch["shown_bad"]) == (True, False)
    assert last["decision"] == "reject"
    assert "30 of 100 pairs" in last["reasons"][0]


def test_windows_that_close_together_are_judged_one_by_one() -> None:
    bench = Bench()
    bad, good = cell(0, match=70, mismatch=30), cell(HOUR_MS, match=100_000)
    bench.give(stats(A, 1, bad, good, complete=True))
    # 30 of 100,100 are no excess, 30 of the first 100 were.
    assert bench.evaluate()["decision"] == "reject"


def test_a_reject_survives_a_restart() -> None:
    bench = judged([stats(A, 1, cell(0, match=70, mismatch=30), cell(HOUR_MS, match=100_000), complete=True)])
    bench.restart()
    assert bench.evaluate()["decision"] == "reject"


def test_what_comes_after_all_makes_up_for_having_been_missing() -> None:
    hours = [dict(hour) for hour in DAY]
    # Under the limit over the day; the last 1,000 alone speak against it.
    hours[22] = {"match": 981, "missing": 19, "input": 1000}
    hours[23] = {"match": 100, "input": 100}
    kept = judged(hourly_records(hours)).of("verdict")[-1]
    assert kept["decision"] == "not_yet"
    assert any("missing: 19 of the last 1100 production records" in reason for reason in kept["reasons"])
    trial = Trial(hours, [(23, 22, "missing", "match")] * 19)
    corrected = judged(trial.task_logs(random.Random(1))[0]).of("verdict")[-1]
    assert (corrected["decision"], corrected["outcomes"]["match"]) == ("promote", 23 * 1000 + 100)


def test_an_excess_of_a_criterion_that_is_not_critical_rejects_nothing() -> None:
    lenient = config(criteria=[{"rate": "mismatch", "limit": 0.01, "critical": False}])
    bench = judged(hourly_records([{"match": 70, "mismatch": 30, "input": 100}] * 24), settings=lenient)
    last = bench.of("verdict")[-1]
    assert last["criteria"][0]["shown_bad"]
    assert last["decision"] == "not_yet"


def test_writes_go_to_their_topics_with_their_keys() -> None:
    bench = Bench()
    hours = [{"match": 500}] * 9 + [{"match": 400, "mismatch": 100}]
    for record in hourly_records(hours):
        bench.give(record)
    bench.evaluate()
    assert [(topic, key) for topic, key, _ in bench.written] == [
        ("drift", b"mismatch"),
        ("drift", b"mismatch"),
        ("verdict", REVISION.encode()),
        ("audit", None),
        ("judge-state", REVISION.encode()),
    ]
    assert bench.of("audit") == bench.of("verdict")
    assert [event["event"] for event in bench.of("drift")] == ["flag", "opened"]


def test_a_verdict_is_written_on_change_or_request() -> None:
    bench = Bench()
    bench.evaluate()
    assert [topic for topic, _, _ in bench.written] == ["verdict", "audit", "judge-state"]
    bench.written.clear()
    bench.evaluate()
    assert bench.written == []
    bench.evaluate(force=True)
    assert [topic for topic, _, _ in bench.written] == ["verdict"]
    bench.written.clear()
    # A record that decides nothing moves the state alone.
    bench.give(stats(A, 1))
    bench.evaluate()
    assert [topic for topic, _, _ in bench.written] == ["judge-state"]


def test_a_restart_does_not_say_the_same_verdict_again() -> None:
    bench = judged(hourly_records(DAY))
    entry = len(bench.of("verdict"))
    bench.restart()
    bench.evaluate()
    assert len(bench.of("verdict")) == entry


def test_offsets_are_those_of_the_next_records() -> None:
    bench = Bench(2)
    assert bench.step.offsets() == {}
    for record in (stats(B, 1), stats(A, 1), stats(B, 2)):
        bench.give(record)
    assert bench.step.offsets() == {0: 1, 1: 2}
    bench.evaluate()
    assert bench.state is not None
    assert bench.state["offsets"] == {"0": 1, "1": 2}


def test_a_record_given_again_changes_nothing() -> None:
    bench = Bench()
    record = stats(A, 1, cell(0, match=5), complete=True)
    bench.step.step(0, 0, record)
    bench.step.step(0, 0, record)
    assert bench.evaluate()["outcomes"] == {"match": 5}
    # The same commit at another offset: a zombie's, that the sequence tells.
    bench.step.step(0, 1, record)
    assert bench.evaluate()["outcomes"] == {"match": 5}
    assert bench.evaluate()["remainder"] == 0


def test_it_is_finished_when_every_task_is_complete() -> None:
    bench, finished = Bench(2), []
    for record in (stats(A, 1, complete=True), stats(B, 1, cell(0, match=1)), stats(B, 2, complete=True)):
        bench.give(record)
        finished.append(bench.step.finished)
    assert finished == [False, False, True]
    assert bench.evaluate()["windows_open"] == 0


def test_state_of_another_form_is_left_and_everything_is_read_again() -> None:
    bench = judged(hourly_records(DAY))
    first = bench.of("verdict")[-1]
    assert bench.state is not None
    bench.state["version"] = 99
    bench.restart()
    assert bench.step.offsets() == {}
    for record in hourly_records(DAY):
        bench.give(record)
    assert bench.evaluate()["evidence_digest"] == first["evidence_digest"]


def test_state_of_another_revision_or_of_other_criteria_is_refused() -> None:
    bench = judged(hourly_records(DAY))
    with pytest.raises(ShadowstreamBug, match="was given the state of"):
        JudgeStep(config(), "ffff", [A]).restore(bench.state)
    with pytest.raises(ShadowstreamBug, match="the revision did not"):
        JudgeStep(config(alpha=0.01), REVISION, [A]).restore(bench.state)


def test_a_year_of_open_windows_fits_one_message() -> None:
    draw = random.Random(5)
    bench = Bench(2)
    for hour in range(366 * 24):
        fields = {"score": draw.randint(0, 9), "late": draw.randint(0, 9)}
        match, mismatch, inputs = draw.randint(20, 70), draw.randint(0, 9), draw.randint(20, 70)
        delta = cell(hour * HOUR_MS, fields=fields, match=match, mismatch=mismatch, input=inputs)
        bench.give(stats(A, hour + 1, delta, watermark_ms=(hour + 1) * HOUR_MS))
    assert bench.evaluate()["windows_open"] == 366 * 24
    assert bench.state is not None
    assert len(encode("judge_state", bench.state)) < 500_000


def test_a_state_too_large_for_a_message_survives_a_restart_unwritten() -> None:
    draw = random.Random(6)
    records = []
    for hour in range(400):
        one = cell(hour * HOUR_MS, match=5000)
        one["buckets"] = [{"bucket": b, "n": draw.randint(1, 9999), "s": draw.randint(0, 1)} for b in range(1024)]
        records.append(stats(A, hour + 1, one))
    bench = judged(records, every=100)
    assert bench.of("judge-state")[-1]["offsets"] != {"0": 400}
    assert all(len(encode("judge_state", state)) <= STATE_BYTES_MAX for state in bench.of("judge-state"))
    bench.give(stats(A, 401))
    assert bench.step.evaluate(0).unsaved > STATE_BYTES_MAX
    # What is closed is added up, and the state fits again.
    records += [stats(A, 401), stats(A, 402, complete=True)]
    bench.restart()
    for record in records[bench.ends[0] :]:
        bench.give(record)
    again = bench.evaluate()
    assert again["windows_closed"] == 400
    assert bench.of("judge-state")[-1]["offsets"] == {"0": 402}
    assert again["evidence_digest"] == judged(records, every=10**6).evaluate()["evidence_digest"]


def test_memory_is_bounded_by_what_is_open_and_trailing() -> None:
    bench = judged(hourly_records([{"match": 90, "mismatch": 1, "input": 91}] * 3000), every=500)
    assert bench.state is not None
    kept = sum(len(trailing.snapshot()) for trailing in bench.step.recent_windows.values())
    # 898 units at 91 an hour: ten hours for each of the five criteria.
    assert kept == 5 * 10
    assert len(encode("judge_state", bench.state)) < 100_000


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


def evidence(bench: Bench) -> tuple[str, list[dict[str, Any]], str]:
    last = bench.step.verdict(0)
    return last["evidence_digest"], bench.of("drift"), last["decision"]


@settings(max_examples=25, deadline=None)
@given(trial=trials(), tasks=st.integers(1, 3), seed=st.integers(0, 2**32), every=st.integers(1, 40))
def test_how_often_one_looks_changes_nothing(trial: Trial, tasks: int, seed: int, every: int) -> None:
    draw = random.Random(seed)
    records = interleaved(draw, trial.task_logs(draw, tasks, commits_max=2))
    assert evidence(judged(records, tasks, every)) == evidence(judged(records, tasks, len(records)))


@settings(max_examples=30, deadline=None)
@given(trial=trials(), tasks=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_any_order_and_any_split_give_the_same_evidence(trial: Trial, tasks: int, seed: int) -> None:
    draw = random.Random(seed)
    one = trial.task_logs(draw)[0]
    many = trial.task_logs(draw, tasks, commits_max=3)
    expected = evidence(judged(one, every=10**6))
    assert evidence(judged(interleaved(draw, many), tasks, 10**6)) == expected
    assert evidence(judged(interleaved(draw, many), tasks, 10**6)) == expected


@settings(max_examples=25, deadline=None)
@given(trial=trials(), seed=st.integers(0, 2**32), deaths=st.lists(st.integers(0, 200), max_size=4))
def test_any_restart_gives_the_same_evidence(trial: Trial, seed: int, deaths: list[int]) -> None:
    draw = random.Random(seed)
    tasks = trial.task_logs(draw, 2, commits_max=2)
    whole = judged(interleaved(draw, tasks), 2, 10**6)
    bench = Bench(2)
    turns = 0
    while any(bench.ends[k] < len(tasks[k]) for k in (0, 1)):
        partition = draw.choice([k for k in (0, 1) if bench.ends[k] < len(tasks[k])])
        bench.give(tasks[partition][bench.ends[partition]])
        turns += 1
        if draw.random() < 0.1:
            bench.evaluate()
        # Death at any point: what came after the last evaluation is given again.
        if turns in deaths:
            bench.restart()
    bench.evaluate()
    assert evidence(bench) == evidence(whole)


def test_an_event_time_is_readable_in_reasons() -> None:
    assert iso(1_372_636_800_000) == "2013-07-01T00:00:00Z"
    assert iso(2**62) == f"{2**62} ms"
