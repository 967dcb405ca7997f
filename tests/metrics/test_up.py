"""`shadowstream up`: one config file, all roles; a role that crashes, a SIGTERM in the middle, and nothing lost."""

import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from shadowstream.errors import BrokerError
from shadowstream.kafka.batch_size import FIRST_RECORDS, GROWTH
from shadowstream.testing import Broker
from shadowstream.testing.home import alive
from shadowstream.testing.ports import claim_port, free_port
from shadowstream.testing.topics import read_all
from tests.metrics.scraping import Probed
from tests.pipeline.candidates import FAULTY, OUT_OF
from tests.pipeline.trial_fixture import UNBOUNDED, Trial
from tests.pipeline.written_records import await_that, ended, outcomes_of_rows, remainders, totals

ORDERS = 1_500
EACH = ORDERS // OUT_OF
STOP_S = 10.0
SLOW_MACHINE = 5
EXIT_CODE = 9
FIRST_COMMITS = FIRST_RECORDS * (1 + GROWTH)
"""So many records at most are in the first two commits of a process, and all there are would not fill the third."""
# Half a millisecond for an order or more: long enough to be stopped in the middle.
CRASHING = (
    f"""
import os
import time
from pathlib import Path
from uuid import uuid4

if Path(__file__).with_name("crash").exists():
    os._exit({EXIT_CODE})
"""
    + FAULTY
    + """

def slow(order):
    time.sleep(0.0005)
    return faulty(order)
"""
)


def free_ports(number: int) -> list[Probed]:
    """Ports in a row that are free now."""
    while True:
        first = free_port()
        with suppress(BrokerError):
            for port in range(first + 1, first + number):
                claim_port(port, patience_s=0.0)
            return [Probed(first + i) for i in range(number)]


def stop(trial: Trial, up: subprocess.Popen[str]) -> float:
    """SIGTERM; gives the seconds until all of it has ended."""
    began = time.monotonic()
    up.send_signal(signal.SIGTERM)
    trial.finish(up, "up")
    return time.monotonic() - began


def end(up: subprocess.Popen[str]) -> None:
    """Whatever the test has come to. Killed at once it would leave its roles behind, which hold our pipes."""
    up.terminate()
    try:
        up.communicate(timeout=3 * STOP_S)
    except subprocess.TimeoutExpired:
        up.kill()
        up.wait()


def events(trial: Trial, event: str) -> list[dict[str, object]]:
    return [line for line in trial.logged("up") if line["event"] == event]


def test_a_crashing_role_stops_no_other_and_a_stop_loses_nothing(kafka: Broker, tmp_path: Path) -> None:
    # `up` gives the ports to the roles in this order.
    probes = dict(zip(("run", "join", "judge"), free_ports(3), strict=True))
    listen = probes["run"].listen
    settings = {**UNBOUNDED, "limits": {"commit_ms": 100, "commit_records": 100}}
    name, call = f"supervised-{uuid4().hex[:8]}", "trial_candidate:slow"
    trial = Trial(kafka.bootstrap, name, tmp_path, CRASHING, call, settings=settings, isolation="in-process")
    (tmp_path / "crash").touch()
    trial.create_topics()
    trial.answered(ORDERS)
    up = trial.start("up", "--listen", listen)
    try:
        await_that("the runner has crashed twice", lambda: len(events(trial, "restarting")) >= 2)
        await_that(
            "the others are healthy", lambda: {probes[role].status("/healthz") for role in ("join", "judge")} == {200}
        )
        assert {(line["role"], line["exit_code"]) for line in events(trial, "restarting")} == {("run", EXIT_CODE)}
        (tmp_path / "crash").unlink()

        await_that("something has been paired", lambda: trial.outcomes().total() > 0)
        assert stop(trial, up) < SLOW_MACHINE * STOP_S
        stats = trial.records("stats")
        pending = sum({record["task"]: record["pending"] for record in stats}.values())
        done = totals(stats)["input"]
        assert 0 < ended(stats).total() < ORDERS, "it was not stopped in the middle"
        assert pending > 0
        assert len(events(trial, "killed")) == 0

        expected = Counter(missing=EACH, extra=EACH, candidate_error=EACH, tolerated=EACH, ignored=EACH)
        expected["match"] = ORDERS - 4 * EACH
        up = trial.start("up", "--listen", listen)
        trial.await_outcomes(expected)
        seconds = stop(trial, up)
        assert seconds < SLOW_MACHINE * STOP_S
    finally:
        end(up)
    stats = trial.records("stats")
    assert totals(stats) == expected + Counter(input=ORDERS, input_failed=EACH)
    assert outcomes_of_rows(kafka.bootstrap, trial.topic("diff")) == expected
    assert remainders(stats) == {}
    print(f"stopped after {done} of {ORDERS} inputs with {pending} pending; the end took {seconds:.1f} s")


def called(probed: Probed) -> float:
    """How often the candidate has been called so far."""
    if probed.status("/healthz") != 200:
        return 0
    return sum(value for _, value in probed.scrape().find("candidate_seconds_count"))


def rests(probed: Probed) -> bool:
    """Whether the candidate has been called, and no more for three seconds."""
    before = called(probed)
    time.sleep(3.0)
    return 0 < before == called(probed)


def unhurried(kafka: Broker, name: str, folder: Path) -> Trial:
    """All orders are there and answered by production. No commit is due for ten minutes but the first small ones: what
    else is there after the end was committed on the way out."""
    limits = {"commit_ms": 600_000, "commit_records": 1_000_000}
    trial = Trial(kafka.bootstrap, f"{name}-{uuid4().hex[:8]}", folder, settings={**UNBOUNDED, "limits": limits})
    trial.create_topics()
    return trial.answered(ORDERS)


def test_sigterm_commits_what_has_been_done_since_the_last_commit(kafka: Broker, tmp_path: Path) -> None:
    trial = unhurried(kafka, "stopped", tmp_path)
    probes = free_ports(3)
    up = trial.start("up", "--listen", probes[0].listen)
    try:
        await_that("the candidate has been called for all there is", lambda: rests(probes[0]))
        assert len(read_all(kafka.bootstrap, trial.topic(f"out.{trial.output}"))) <= FIRST_COMMITS
        assert stop(trial, up) < STOP_S
    finally:
        end(up)
    assert len(read_all(kafka.bootstrap, trial.topic(f"out.{trial.output}"))) == ORDERS
    assert len(events(trial, "killed")) == 0


def test_killed_outright_it_leaves_no_role_and_the_next_resumes(kafka: Broker, tmp_path: Path) -> None:
    trial = unhurried(kafka, "orphans", tmp_path)
    probes = free_ports(3)
    up = trial.start("up", "--listen", probes[0].listen)
    try:
        await_that("all are at work", lambda: rests(probes[0]) and all(p.status("/healthz") for p in probes))
        roles = {str(line["role"]): int(str(line["pid"])) for line in events(trial, "started")}
        assert roles.keys() == {"run", "join", "judge"}
        assert len(read_all(kafka.bootstrap, trial.topic(f"out.{trial.output}"))) <= FIRST_COMMITS
        up.kill()
        began = time.monotonic()
        await_that("no role is left", lambda: not any(alive(pid) for pid in roles.values()))
        seconds = time.monotonic() - began
        assert seconds < STOP_S, seconds
        assert {line["event"] for line in events(trial, "supervisor_gone")} == {"supervisor_gone"}
        assert len(events(trial, "supervisor_gone")) == len(roles)
    finally:
        end(up)
    done = len(read_all(kafka.bootstrap, trial.topic(f"out.{trial.output}")))
    assert done > FIRST_COMMITS, "the last commit was not done"
    trial.write_config(limits={"commit_ms": 100})
    up = trial.start("--log-level warning up", log="quiet")
    try:
        await_that("every order has ended once", lambda: trial.outcomes().total() >= ORDERS)
        stop(trial, up)
    finally:
        end(up)
    stats = trial.records("stats")
    assert ended(stats) == {"match": ORDERS}
    assert remainders(stats) == {}
    assert '"level": "info"' not in trial.log_text("quiet"), "its roles have the log level of `up`"
    print(
        f"{len(roles)} roles ended {seconds:.1f} s after their supervisor was killed, with {done} of {ORDERS} outputs"
    )
