"""Byte-equal evidence: pairs permuted inside windows, partitions split otherwise, restarts at any commit."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.own import decode
from shadowstream.config import Config
from shadowstream.judge.judge_state import unpacked
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.verdict import EVIDENCE
from tests.judge.stats_records import REVISION
from tests.judge.trial_of_pairs import LATE, Logs, Pairs, made

COUNTED = ("trailing", "families", "cells", "levels", "keys", "distributions")


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


class Judge:
    """A judge that reads the partitions in any order, commits now and then, and dies where it is told to."""

    def __init__(self, config: Config, logs: Logs) -> None:
        self._config, self._logs = config, logs
        self._tasks = sorted({record["task"] for log in logs for record in log})
        self._state: dict[str, Any] | None = None
        self.events: list[dict[str, Any]] = []
        self.restarts = 0
        self._begin()

    def _begin(self) -> None:
        self._step = JudgeStep(self._config, REVISION, self._tasks)
        self._step.restore(self._state)
        self._ends = dict.fromkeys(range(len(self._logs)), 0) | self._step.offsets()

    def run(self, draw: random.Random, commits: float, deaths: float) -> None:
        while left := [k for k, end in self._ends.items() if end < len(self._logs[k])]:
            partition = draw.choice(left)
            self._step.step(partition, self._ends[partition], self._logs[partition][self._ends[partition]])
            self._ends[partition] += 1
            if draw.random() < commits:
                self.commit()
            if draw.random() < deaths:
                self._begin()
                self.restarts += 1
        self.verdict = self.commit()

    def commit(self) -> dict[str, Any]:
        effects = self._step.evaluate(0)
        for write in effects.writes:
            kind = write.topic.rsplit(".", 1)[1]
            if kind == "drift":
                self.events.append(decode(write.value or b"")[1])
            if kind == "judge-state":
                self._state = decode(write.value or b"")[1]
        return effects.verdict

    @property
    def evidence(self) -> tuple[bytes, bytes, bytes, str]:
        """Evidence, drift events, and all that is counted and detected, as bytes; and the digest."""
        assert self._state is not None
        body = unpacked(self._state["snapshot"])
        # How many windows wait for labels depends on how far those have been read; what they prove does not.
        for name in LATE:
            del body["levels"][name], body["trailing"][name]
        return (
            canonical({name: self.verdict[name] for name in (*EVIDENCE, "distributions")}),
            canonical(self.events),
            canonical({name: body[name] for name in COUNTED}),
            self.verdict["evidence_digest"],
        )


def judged(pairs: Pairs, logs: Logs, draw: random.Random, commits: float = 0.0, deaths: float = 0.0) -> Judge:
    judge = Judge(pairs.settings, logs)
    judge.run(draw, commits, deaths)
    return judge


def same_bytes(pairs: Pairs, tasks: int, partitions: int, seed: int) -> None:
    """Hold the evidence of any split, any order and any restart against that of one task read in one go."""
    draw = random.Random(seed)
    whole = judged(pairs, pairs.task_logs(draw), draw).evidence
    logs = pairs.task_logs(draw, tasks, commits_max=3, partitions=partitions)
    assert judged(pairs, logs, draw).evidence == whole
    assert judged(pairs, logs, draw, commits=0.2, deaths=0.05).evidence == whole


UNITS = ("record", "key", "block")
trials = st.builds(
    made,
    st.integers(0, 2**32),
    st.sampled_from(UNITS),
    st.integers(1, 40),
    st.lists(st.sampled_from([0.0, 0.005, 0.05, 0.2]), min_size=1, max_size=3),
)


@pytest.mark.parametrize("unit", UNITS)
def test_any_order_any_split_and_any_restart_give_the_same_bytes(unit: str) -> None:
    same_bytes(made(7, unit, 8, [0.0, 0.2]), tasks=3, partitions=2, seed=11)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(trials, st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32))
def test_any_generated_trial_gives_the_same_bytes(pairs: Pairs, tasks: int, partitions: int, seed: int) -> None:
    same_bytes(pairs, tasks, partitions, seed)


def test_the_trials_hold_what_could_depend_on_order() -> None:
    """A bad carrier, an incident, slices with more values than are exact, corrections, labels and every measure."""
    pairs = made(3, "record", 40, [0.0, 0.2])
    draw = random.Random(1)
    judge = judged(pairs, pairs.task_logs(draw, 2, 2, 2), draw, commits=0.2, deaths=0.05)
    verdict = judge.verdict
    assert judge.restarts > 0
    assert {one["rate"] for one in verdict["criteria"] if one["n"]} == {
        *(
            "mismatch",
            "missing",
            "extra",
            "duplicate",
            "error",
            "field:score",
            "slower",
            "over",
            "latency:p90",
            "mean:score",
            "cost",
            "check:null:score",
            "labels",
            "loss:cost:score",
            "loss:brier",
        )
    }
    assert [event["event"] for event in judge.events if event["event"] == "opened"]
    assert any(name.startswith("mismatch") for name in verdict["incidents_open"])
    assert verdict["slices"][0]["values"] == ["AA"]
    assert {value for one in json.loads(judge.evidence[2])["cells"]["cells"] for value in one[1]} >= {"AA", "(other)"}
    assert any(window[1] for window in json.loads(judge.evidence[2])["levels"]["missing"]["windows"])
    assert verdict["outcomes"]["label_unlabelled"] > 0
    compared = {(row["path"], row["compared"]): row["tests"] for row in verdict["distributions"]}
    assert len(compared) == 6
    assert min(compared.values()) > 0
    detectors = json.loads(judge.evidence[2])["families"]["mismatch"]
    assert detectors["whole"]["adwin"]["n_seen"] > 10
    assert detectors["whole"]["sr"]["log_m"][0] is not None
    assert detectors["slices"] != [] != detectors["fields"]
