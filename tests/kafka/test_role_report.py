"""An exit code proves nothing: what a supervised process has reported decides whether its end is one."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shadowstream.kafka import outage_log, role_report, supervisor
from shadowstream.kafka.outage_log import OutageLog
from shadowstream.kafka.role_report import LINE_MAX, Report, Reports
from shadowstream.kafka.supervisor import RoleProcess, Supervisor

RUNS_S = 20.0
CONNECT = "from shadowstream.kafka import role_report; role_report.connect(); "
SAYS_SO = CONNECT + "role_report.send(role_report.Report.FINISHED); "


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, Any]]]:
    """What the supervisor logs."""
    found: list[dict[str, Any]] = []

    class EventHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.msg, dict):
                found.append(record.msg)

    handler = EventHandler()
    logger = logging.getLogger("shadowstream")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(before)


def supervised(code: str, restarts: int = 2) -> RoleProcess:
    """A child under a supervisor until it is done, has failed for good or was restarted so often."""
    roles = Supervisor({"runner": [sys.executable, "-c", code]})
    child = roles.children["runner"]
    deadline = time.monotonic() + RUNS_S
    roles.run(lambda: child.restarts >= restarts or time.monotonic() > deadline)
    assert child.done or child.failed or child.restarts >= restarts
    return child


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.05,))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os._exit(0)", "ended with exit code 0 without having finished"),
        ("import sys; sys.exit()", "ended with exit code 0 without having finished"),
        ("pass", "ended with exit code 0 without having finished"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "ended by SIGTERM"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("import os; os._exit(2)", "ended with exit code 2"),
        ("import os; os._exit(5)", "ended with exit code 5"),
        ("import os; os._exit(255)", "ended with exit code 255"),
        (SAYS_SO + "import os; os._exit(3)", "ended with exit code 3"),
    ],
)
def test_an_unreported_end_is_named_and_restarted(code: str, reason: str, events: list[dict[str, Any]]) -> None:
    child = supervised(code)
    assert not child.done
    assert not child.failed
    assert child.restarts == 2
    named = [one for one in events if one["event"] == "restarting"]
    assert [one["reason"] for one in named] == [reason] * 2
    assert {one["role"] for one in named} == {"runner"}


def test_a_role_that_reports_that_it_has_finished_is_done() -> None:
    child = supervised(SAYS_SO)
    assert child.done
    assert child.exit_codes == [0]


@pytest.mark.parametrize("report", [Report.CONFIG_ERROR, Report.TAKEN_OVER])
def test_a_role_that_reports_what_no_restart_mends_ends_all(report: Report) -> None:
    child = supervised(f"{CONNECT}role_report.send(role_report.Report({str(report)!r}), 'why'); raise SystemExit(2)")
    assert child.failed
    assert child.final == report
    assert child.restarts == 0


def test_a_container_that_cannot_report_is_believed_by_its_exit_code() -> None:
    ends = {"well": "pass", "badly": "raise SystemExit(2)"}
    for name, code in ends.items():
        roles = Supervisor({name: [sys.executable, "-c", code]}, silent=[name])
        assert roles.run(lambda: False) is (name == "well")


def test_what_a_process_of_the_role_starts_does_not_inherit_the_pipe() -> None:
    inner = "import os; print(os.environ.get('SHADOWSTREAM_REPORT'))"
    code = f"{CONNECT}import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    reports = Reports()
    environment = {**os.environ, role_report.VARIABLE: str(reports.child_end)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, pass_fds=(reports.child_end,), capture_output=True, check=True
    )
    assert ended.stdout == b"None\n"
    reports.started()
    reports.close()


def test_reports_arrive_whole_however_long_and_however_they_are_cut() -> None:
    reports = Reports()
    os.write(reports.child_end, b"finis")
    assert reports.read() == []
    os.write(reports.child_end, b"hed \nbroker_unreachable " + b"x" * LINE_MAX + b"\nnoise")
    assert reports.read() == [("finished", ""), ("broker_unreachable", "x" * LINE_MAX)]
    reports.started()
    assert reports.read() == []
    assert set(reports.received) == {"finished", "broker_unreachable"}
    reports.close()


def test_an_outage_of_all_children_is_one_line(events: list[dict[str, Any]]) -> None:
    code = f"{CONNECT}role_report.send(role_report.Report.BROKER_UNREACHABLE, 'no broker answers'); raise SystemExit(1)"
    roles = Supervisor({name: [sys.executable, "-c", code] for name in ("runner", "joiner", "judge")})
    deadline = time.monotonic() + RUNS_S
    roles.run(lambda: all(one.restarts >= 3 for one in roles.children.values()) or time.monotonic() > deadline)
    loud = [one["event"] for one in events if one["level"] in ("warning", "error")]
    assert loud == ["broker_unreachable"]
    (line,) = [one for one in events if one["event"] == "broker_unreachable"]
    assert line["reason"] == "no broker answers"


def test_an_outage_is_repeated_at_growing_intervals_a_new_one_immediately(
    events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(outage_log, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    one = OutageLog()
    lines = []
    for second in range(500):
        now[0] = 1_000.0 + second
        before = len(events)
        one.seen("gone")
        lines += [second] * (len(events) > before)
    assert lines == [0, 10, 40, 100, 400]
    now[0] += 3_600
    before = len(events)
    one.seen("gone again")
    assert len(events) == before + 1


def test_ctrl_c_at_the_terminal_reaches_the_supervisor_only() -> None:
    """A child that is still importing would print a traceback."""
    slow = "import time\nprint('up', flush=True)\ntime.sleep(60)"
    code = (
        "import signal, sys; from shadowstream.kafka.supervisor import Supervisor; stop = []; "
        "signal.signal(signal.SIGINT, lambda *_: stop.append(1)); "
        f"Supervisor({{'child': [sys.executable, '-c', {slow!r}]}}).run(lambda: bool(stop))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=RUNS_S)
    assert process.returncode == 0
    assert b"Traceback" not in errors
