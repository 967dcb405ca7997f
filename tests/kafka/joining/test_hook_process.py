"""Functions of `compare` in a process of their own: whatever one does is one pair's outcome, and the next goes on."""

import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import comparer_of
from shadowstream.compare.hooks import HookError, Unanswered
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.kafka.joining import hook_process
from shadowstream.kafka.joining.hook_process import HookProcess
from tests import forked
from tests.least_config import least_config
from tests.pipeline.written_records import await_that

HERE = "tests.kafka.joining.failing_hooks"
TIMEOUT_MS = 400
EXITS = "its process ended with exit code 0"
HANGS = f"no answer within compare.call_timeout_ms: {TIMEOUT_MS}"


def config(**compare: Any) -> Config:
    return least_config(compare={"call_timeout_ms": TIMEOUT_MS, **compare})


@pytest.fixture(name="hooks")
def _hooks() -> Iterator[HookProcess]:
    hooks = HookProcess(config())
    yield hooks
    hooks.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("exits", EXITS),
        ("killed", "its process ended by SIGKILL"),
        ("faults", "its process ended by SIGSEGV"),
        ("sleeps", HANGS),
        ("spins", HANGS),
        ("ends", "SystemExit: 0"),
        ("raises", "ValueError: no"),
        ("returns itself", "returned no plain value: TypeError: Odd is no plain value"),
    ],
)
def test_a_functions_failure_belongs_to_its_call_and_the_next_succeeds(
    value: str, expected: str, hooks: HookProcess
) -> None:
    call = hooks.load(f"{HERE}:bad")
    with pytest.raises(HookError) as caught:
        call(value, 1)
    assert str(caught.value) == f"{HERE}:bad: {expected}"
    assert [call("good", 1), call("other", 1)] == [True, False]


def test_pairs_end_as_uncompared_with_a_reason_others_as_usual(hooks: HookProcess) -> None:
    rules = [{"path": "v", "call": f"{HERE}:bad"}, {"path": "n", "normalise": [f"{HERE}:halved"]}]
    compare = comparer_of(NoSchemas(), config(rules=rules), hooks.load)
    production = [b'{"v": "good"}', b'{"v": "exits"}', b'{"v": "good", "n": "sleeps"}', b'{"v": "good", "n": "2"}']
    shadow = [b'{"v": 1}', b'{"v": 1}', b'{"v": 1, "n": "1"}', b'{"v": 1, "n": "2.0"}']
    results = compare(production, shadow)
    assert results.outcomes == ["tolerated", "uncompared", "uncompared", "tolerated"]
    assert [result.reason for result in results] == [None, f"{HERE}:bad: {EXITS}", f"{HERE}:halved: {HANGS}", None]


def test_a_function_of_columns_that_ends_its_process_costs_one_pair(hooks: HookProcess) -> None:
    rules = [{"path": "v", "call": f"{HERE}:columns", "on": "column"}]
    compare = comparer_of(NoSchemas(), config(rules=rules), hooks.load)
    production = [b'{"v": "good"}', b'{"v": "exits"}', b'{"v": "bad"}', b'{"v": "good"}']
    assert compare(production, [b'{"v": 1}'] * 4).outcomes == ["tolerated", "uncompared", "mismatch", "tolerated"]


def test_values_come_as_they_are_and_what_is_printed_is_no_answer(
    hooks: HookProcess, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shadowstream.worker")
    assert hooks.load(f"{HERE}:halved", "compare.rules", 1)(Decimal("3.10")) == Decimal("1.55")
    assert hooks.load(f"{HERE}:out", "compare.rules", 1)("x") is None
    hooks.close()
    await_that("what it printed is logged", lambda: "printed x" in caplog.text, 5)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("entry", "arguments", "expected"),
    [
        ("no.such:f", 2, "compare.rules: cannot load 'no.such:f': ModuleNotFoundError"),
        (f"{HERE}:halved", 2, f"compare.rules: '{HERE}:halved' cannot be called with 2 arguments"),
    ],
)
def test_what_cannot_be_loaded_is_a_config_error(entry: str, arguments: int, expected: str, hooks: HookProcess) -> None:
    with pytest.raises(ConfigError) as caught:
        hooks.load(entry, "compare.rules", arguments)
    assert str(caught.value).startswith(expected)


def test_a_persistent_offender_is_paused_and_does_not_delay_the_joiner(
    hooks: HookProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = hooks.load(f"{HERE}:bad")
    for n in range(hook_process.FAILURES_MAX):
        with pytest.raises(HookError, match="exit code 0"):
            call("exits", n)
    with pytest.raises(HookError, match=r"rests, after it did not answer or ended its process 5 times"):
        call("good", 1)
    monkeypatch.setattr(hook_process, "REST_S", 0.0)
    assert call("good", 1) is True


def test_the_process_ends_with_the_one_that_started_it(hooks: HookProcess) -> None:
    hooks.load(f"{HERE}:bad")("good", 1)
    assert hooks._process is not None
    pid = hooks._process.pid
    hooks.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_ends_too_where_that_one_was_killed() -> None:
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:  # a process that is killed while its worker hangs
        hooks = HookProcess(config(call_timeout_ms=20_000))
        call = hooks.load(f"{HERE}:bad")
        assert hooks._process is not None
        os.write(writing, b"%d\n" % hooks._process.pid)
        call("spins", 1)
        os._exit(1)
    pid = int(os.read(reading, 20))
    time.sleep(0.3)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 10
    while _lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_difference_outside_a_functions_path_is_a_mismatch_regardless(hooks: HookProcess) -> None:
    compare = comparer_of(NoSchemas(), config(rules=[{"path": "v", "call": f"{HERE}:bad"}]), hooks.load)
    production = [b'{"v": "exits", "n": 1}', b'{"v": "exits", "n": 1}']
    results = compare(production, [b'{"v": 1, "n": 2}', b'{"v": 1, "n": 1}'])
    assert results.outcomes == ["mismatch", "uncompared"]
    assert [one.path for one in results[1].differences] == ["v"]


@pytest.mark.parametrize(
    ("production", "outcome"),
    [(b'{"v": "exits"}', "uncompared"), (b'{"v": "raises"}', "mismatch"), (b'{"v": "exits", "n": 1}', "mismatch")],
)
def test_a_declared_change_of_which_nobody_knows_leaves_the_pair_uncompared(
    production: bytes, outcome: str, hooks: HookProcess
) -> None:
    change = {"name": "new", "paths": ["v"], "rate_max": 0.1, "until": "2100-01-01T00:00:00Z", "call": f"{HERE}:bad"}
    compare = comparer_of(NoSchemas(), config(expected=[change]), hooks.load)
    results = compare([production], [b'{"v": 1}'], [1])
    assert results.outcomes == [outcome]
    assert results[0].reason == (f"{HERE}:bad: {EXITS}" if outcome == "uncompared" else None)


def test_calls_of_one_turn_end_before_the_consumer_must_be_polled_again(hooks: HookProcess) -> None:
    call = hooks.load(f"{HERE}:bad")
    assert call("good", 1)
    hooks._left_s = 0.0
    with pytest.raises(Unanswered, match="calls of one turn took a third of max"):
        call("good", 2)
    hooks.turn()
    assert call("good", 2)


def test_it_starts_without_what_reads_a_config() -> None:
    """A joiner waits for it at its start, and whenever a function has ended it."""
    heavy = "{'pydantic', 'confluent_kafka', 'yaml', 'shadowstream.config'}"
    done = forked.python("-c", f"import sys, {hook_process.MODULE}; print({heavy} & set(sys.modules))")
    assert done.stdout == "set()\n", done.stderr


def test_a_function_has_no_secret_and_no_network(hooks: HookProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_PASSWORD", "planted-secret")
    found = hooks.load(f"{HERE}:reaches", "compare.rules", 1)("x")
    assert "PATH" in found[0]
    assert "planted-secret" not in str(found)
    assert found[1:] == ["PermissionError", "PermissionError", "PermissionError"]
