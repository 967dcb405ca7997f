"""Late labels on a real broker: each pair scored once, through kill -9, a lost store, and days of waiting."""

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from shadowstream.kafka.roles.label_store import path_of
from shadowstream.protocol.count_names import LABELS
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.conftest import Say
from tests.pipeline.candidates import SAME, answer
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import Production, Trial, order, time_ms
from tests.pipeline.written_records import await_that, remainders, totals

ORDERS = 1_000
TURNS, EACH = 4, 225
DAY_MS = 86_400_000
# Wrong on every seventh order, by far.
SOMETIMES_WRONG = """
from tests.pipeline.candidates import answer

def judge(value):
    said = answer(value)
    return {**said, "score": said["score"] + 10.0} if value["n"] % 7 == 0 else said
"""


def production_says(value: bytes) -> bytes:
    """Production, wrong on every fifth order."""
    order = json.loads(value)
    output = answer(order)
    return json.dumps({**output, "score": output["score"] + 5.0} if order["n"] % 5 == 0 else output).encode()


def expected(labelled: Iterable[int]) -> Counter[str]:
    """By hand: who is right on these orders, all others unlabelled."""
    found: Counter[str] = Counter()
    for n in labelled:
        right = (n % 5 != 0, n % 7 != 0)
        names = {(True, True): "both_right", (True, False): "production_only", (False, True): "candidate_only"}
        found[f"label_{names.get(right, 'neither')}"] += 1
    return found


def label_totals(trial: Trial) -> Counter[str]:
    found = totals(trial.records("stats"))
    return Counter({name: n for name, n in found.items() if name in LABELS})


def replayed(trial: Trial) -> dict[str, Any]:
    """What `replay` says of all that is stored, under the trial's present config."""
    done = trial.ask("replay", "--json")
    assert done.returncode == 0, done.stderr
    order: dict[str, Any] = json.loads(done.stdout)
    return order


def write_labels(trial: Trial, numbers: Iterable[int]) -> None:
    """The truth, two days late, in partitions that have nothing to do with the output's."""
    truths = ((n, json.dumps({"order": f"order-{n}", "truth": answer(order(n))["score"]}).encode()) for n in numbers)
    labels = [Write(truth, None, n % 2, time_ms(n) + 2 * DAY_MS) for n, truth in truths]
    produce_all(trial.bootstrap, f"{trial.name}-truth", labels)


@pytest.fixture
def trial(make_trial: MakeTrial, tmp_path: Path) -> Trial:
    made = make_trial("labels-", SOMETIMES_WRONG)
    labels = {"topic": f"{made.name}-truth", "id": "order", "path": "score", "label_path": "truth", "atol": 0.001}
    made.settings["labels"] = {**labels, "horizon_ms": 30 * DAY_MS, "store_dir": str(tmp_path / "s")}
    made.write_config()
    create_topics(made.bootstrap, {f"{made.name}-truth": 2})
    return made.answered(ORDERS, say=production_says)


def lose_store(trial: Trial) -> None:
    store = path_of(trial.config, "0")
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()


def test_each_labelled_pair_is_scored_once_and_the_rest_is_reported(trial: Trial) -> None:
    labelled = [n for n in range(ORDERS) if n % 3]
    write_labels(trial, labelled)
    trial.play("run", "join", "labels", "judge")
    known = expected(labelled) + Counter(label_unlabelled=ORDERS - len(labelled))
    assert label_totals(trial) == known
    assert remainders(trial.records("stats")) == {}
    output: dict[str, Any] = trial.records("verdict")[-1]
    assert (output["final"], output["remainder"]) == (True, 0)
    assert {name: n for name, n in output["outcomes"].items() if name in LABELS} == known
    again = replayed(trial)
    assert again["evidence_digest"] == output["evidence_digest"]
    trial.write_config(labels=None)
    asked = trial.ask("labels")
    assert (asked.returncode, "the config has none" in asked.stderr) == (2, True)
    without = replayed(trial)
    assert not any("no task of this trial" in reason for reason in without["reasons"])
    assert not set(LABELS) & without["outcomes"].keys()
    assert (without["outcomes"]["mismatch"], without["remainder"]) == (output["outcomes"]["mismatch"], 0)


def test_kill_9_and_a_lost_store_lose_nothing_and_count_nothing_twice(trial: Trial, say: Say) -> None:
    trial.play("run", "join")
    # Small steps, so that a kill comes between commits of one turn's labels.
    trial.write_config(bounded=False, limits={"commit_ms": 100, "commit_records": 25})
    draw = random.Random(20_130_101)
    numbers = list(range(ORDERS))
    draw.shuffle(numbers)
    with Running(trial) as running:
        for turn in range(TURNS):
            write_labels(trial, numbers[turn * EACH : turn * EACH + EACH])
            running.start("labels")
            # Killed while it counts, wherever that is: some of this turn's labels are in, seldom all.
            seen = label_totals(trial).total()
            await_that("it counts", lambda seen=seen: label_totals(trial).total() > seen)
            running.kill("labels")
            if turn in (1, 3):
                lose_store(trial)
        running.start("labels")
        await_that("it runs", lambda: trial.log_text("labels").count('"event": "assigned"') > TURNS)
        await_that("all are counted", lambda: label_totals(trial).total() >= TURNS * EACH)
        running.stop("labels")
    assert label_totals(trial) == expected(numbers[: TURNS * EACH])
    stats = trial.records("stats")
    assert remainders(stats) == {}
    rebuilt = trial.log_text("labels").count("store_rebuilt")
    counted = label_totals(trial).total()
    say(f"{TURNS} kills, 2 stores deleted: {counted} labelled pairs, each once; rebuilt {rebuilt} times")
    assert rebuilt >= 2
    sequences: dict[str, list[int]] = {}
    for record in stats:
        sequences.setdefault(record["task"], []).append(record["seq"])
    for task, seqs in sequences.items():
        assert seqs == list(range(1, len(seqs) + 1)), task


def test_the_gate_waits_for_labels_then_promotes_the_better_candidate(trial: Trial, say: Say) -> None:
    """Without a label it is not yet, whatever else is shown; they come in two halves, days after, and are counted."""
    criteria = [{"rate": "labels", "limit": 0.5}, {"rate": "missing", "limit": 0.02}]
    (trial.folder / "trial_candidate.py").write_text(SAME, "utf-8")  # right on every order; production on four of five
    trial.write_config(bounded=False, judge={"criteria": criteria})

    def asked(*words: str) -> dict[str, Any]:
        done = trial.ask(words[0], "--json", *words[1:])
        order: dict[str, Any] = json.loads(done.stdout)
        return order | {"code": done.returncode}

    def closed() -> int:
        output = trial.records("verdict")
        return output[-1]["windows_closed"] if output else 0

    with Running(trial) as running:
        for role in ("run", "join", "labels", "judge"):
            running.start(role)
        await_that("the windows are closed", lambda: closed() >= 24)
        early = asked("gate")
        assert (early["code"], early["decision"]) == (4, "not_yet")
        assert any(reason.startswith("labels: 0 % (0 of ") for reason in early["reasons"])
        assert not any(reason.startswith("missing: ") for reason in early["reasons"])
        order = asked("explain")
        assert (order["criteria"][0]["state"], order["criteria"][0]["n"]) == ("no records", 0)
        assert any("labels: no pair has a label yet" in one for one in order["todo"])

        write_labels(trial, range(0, ORDERS, 2))
        await_that("half is counted", lambda: label_totals(trial).total() == ORDERS // 2)
        running.kill("labels")
        lose_store(trial)
        running.start("labels")
        # Half of them again: a label that comes twice is one.
        write_labels(trial, range(0, ORDERS, 4))
        write_labels(trial, range(1, ORDERS, 2))
        await_that("all are counted", lambda: label_totals(trial).total() >= ORDERS)
        # Traffic goes on: what has come for earlier windows counts with the next that closes.
        trial.write_orders(range(ORDERS, ORDERS + 100))
        Production(trial, say=production_says).work(ORDERS + 100)
        # The orders are dated 2013.
        promoted = asked("gate", "--wait", "40", "--max-age", "9000d")
        assert (promoted["code"], promoted["decision"]) == (0, "promote"), promoted["reasons"]
        right = trial.ask("explain").stdout
        running.stop("labels")
    assert label_totals(trial) == Counter(label_both_right=ORDERS * 4 // 5, label_candidate_only=ORDERS // 5)
    assert remainders(trial.records("stats")) == {}
    assert "pairs whose wait has ended were labelled" in right
    labels = promoted["criteria"][0]
    say(f"labels: {labels['s']} of {labels['n']} for production, promoted; not yet without a label")
    assert labels["n"] >= 2 * 7
    assert labels["passed"]
