"""A candidate that does all kinds of harm, on a broker: each is one outcome, and one runner survives all of them."""

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from functools import partial

import pytest

from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import read_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial
from tests.worker.hostile import ACTS

HARM = {10 + 4 * i: act for i, act in enumerate(ACTS) if act != "prints_a_gigabyte"}  # it takes longer than a timeout
"""Answers are between the harm of each partition: without them the candidate would rest, up to 30 s each time."""
FINDS = 5
ORDERS = max(HARM) + 10
CRASHED = {"exits", "segfaults", "kills_itself", "closes_the_pipe", "forges_an_answer", "forges_an_infinite_cost"}
CRASHED |= {"fills_the_folder", "claims_lists_in_lists"}
TIMEOUT = {"loops_for_ever", "sends_no_last_part", "sleeps"}
HARMLESS = {"prints"}
TIMEOUT_MS, PATIENT_MS = 3_000, 30_000
"""Of a call that never ends, and of one whose harm takes work: on a busy machine that takes more than 3 s."""
LIMITS = {"memory_bytes": 300_000_000, "file_bytes": 5_000_000, "scratch_bytes": 50_000_000}


def with_acts(n: int, acts: dict[int, str]) -> bytes:
    return json.dumps({"n": n, **({"act": acts[n]} if n in acts else {})}).encode()


def alike(order: bytes) -> bytes:
    return b'{"id": %d, "score": 1.0}' % json.loads(order)["n"]


def made(make_trial: MakeTrial, name: str, acts: dict[int, str], **candidate: object) -> Trial:
    trial = make_trial(name, "from tests.worker.hostile import Counting, judge\n")
    settings = {"call": trial.call, "timeout_ms": TIMEOUT_MS, "limits": LIMITS, **candidate}
    trial.write_config(candidate=settings)
    trial.write_orders(range(ORDERS), raw=partial(with_acts, acts=acts))
    Production(trial, say=alike).work(ORDERS)
    return trial


def statuses(trial: Trial) -> Counter[int]:
    """Run the runner to its end; what its health has answered meanwhile."""
    listen, seen = f"127.0.0.1:{free_port()}", Counter[int]()
    process = trial.start("run", "--listen", listen)
    while process.poll() is None:
        time.sleep(0.05)
        try:
            with urllib.request.urlopen(f"http://{listen}/healthz", timeout=5) as answer:
                seen[answer.status] += 1
        except urllib.error.HTTPError as error:
            seen[error.code] += 1
        except OSError:
            continue  # it does not listen yet, or not any more
    assert process.returncode == 0, trial.log_text("run")[-3_000:]
    return seen


def test_all_harm_is_outcomes_and_production_is_unchanged(
    make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_PASSWORD", "planted-secret")
    harm = {n: act for n, act in HARM.items() if act not in TIMEOUT}
    trial = made(make_trial, "hostile", harm | {FINDS: "finds"}, timeout_ms=PATIENT_MS)
    before = [read_all(trial.bootstrap, topic) for topic in (trial.input, trial.output)]
    assert set(statuses(trial)) == {200}
    trial.play("join")
    trial.play("judge")
    assert dict(trial.outcomes()) == {
        "match": ORDERS - len(harm) - 1 + len(HARMLESS),
        "mismatch": 1,
        "candidate_error": len(harm) - len(CRASHED) - len(HARMLESS),
        "crashed": len(CRASHED),
    }
    rows = {row["key"] for row in trial.records("diff") if row["outcome"] not in ("match", "mismatch")}
    assert rows == {b"order-%d" % n for n, act in harm.items() if act not in HARMLESS}
    assert before == [read_all(trial.bootstrap, topic) for topic in (trial.input, trial.output)]
    ends = {
        (event["partition"], event["offset"]) for event in trial.logged("run") if event["event"] == "candidate_crashed"
    }
    crashed = [n for n, act in harm.items() if act in CRASHED]
    assert ends == {(n % PARTITIONS, n // PARTITIONS) for n in crashed}
    assert len(trial.log_text("run")) < 100_000, "the candidate filled the log"
    (written,) = [
        one for one in read_all(trial.bootstrap, trial.topic(f"out.{trial.output}")) if b"found" in (one.value or b"")
    ]
    assert b"planted-secret" not in (written.value or b"")
    assert b"planted-secret" not in trial.log_text("run").encode()
    verdict = trial.records("verdict")[-1]
    assert verdict["candidate_isolation"] == "process (filesystem read-only, no network)"


def test_state_survives_the_ends_of_the_process(make_trial: MakeTrial) -> None:
    """By any of them: whatever ends it, the state is restored in one way. A call that never ends is one outcome too."""
    bad = {n: act for n, act in HARM.items() if act in {"exits", "kills_itself", *TIMEOUT}}
    trial = made(make_trial, "hostile-state", bad, call="trial_candidate:Counting", state="snapshot")
    assert set(statuses(trial)) == {200}
    seen: dict[int, list[int]] = {}
    for one in read_all(trial.bootstrap, trial.topic(f"out.{trial.output}")):
        seen.setdefault(one.partition, []).append(json.loads(one.value or b"")["seen"])
    expected = {p: len([n for n in range(ORDERS) if n % PARTITIONS == p and n not in bad]) for p in range(PARTITIONS)}
    assert seen == {place: list(range(1, count + 1)) for place, count in expected.items()}
    trial.play("join")
    found = trial.outcomes()
    assert (found["crashed"], found["timeout"], found.total()) == (len(bad) - len(TIMEOUT), len(TIMEOUT), ORDERS)
    ends = [event["offset"] for event in trial.logged("run") if event["event"] == "candidate_crashed"]
    assert len(ends) == len(bad)
