"""Roles as child processes on one machine: started, restarted with back-off, stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shadowstream.kafka import role_report
from shadowstream.kafka.outage_log import Outage
from shadowstream.kafka.role_report import Report, Reports
from shadowstream.logs import get_logger

log = get_logger("supervisor")
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Never longer: in an outage a child fails again and again, and after it the work shall go on within 45 s."""
STEADY_S = 10.0
"""A child that has run so long begins at no failures again: outages a minute apart are no crash loop."""
STOP_S = 10.0
FINAL = (Report.CONFIG_ERROR, Report.TAKEN_OVER)
"""A child that has reported one of these and then ended would only fail again."""
OUTAGE_S = 5.0
"""A child that exits 1 so soon after it could not reach a broker has ended for that."""
LIFELINE = "SHADOWSTREAM_LIFELINE"
"""The variable that names, to a child, the end of the pipe that ends with its supervisor."""


def end_with_supervisor() -> None:
    """End this process as by SIGTERM once its supervisor is gone, however that ended; SIGKILL `STOP_S` later.

    For a child of a `Supervisor`; any other process is left alone. The supervisor alone holds the other end of a pipe,
    which the system closes with it, so kill -9 is noticed as well and nobody asks for a parent again and again. Call
    it when the handler of SIGTERM is there.
    """
    named = os.environ.pop(LIFELINE, "")  # not for what this process starts in its turn
    try:
        pipe = int(named)
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            return
        os.set_inheritable(pipe, False)
    except (ValueError, OSError):
        return

    def wait() -> None:
        os.read(pipe, 1)  # nobody writes: it returns when the other end is closed
        log.warning("supervisor_gone", kill_in_s=STOP_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def how(code: int) -> str:
    """How a process has ended, by the code that the system gives.

    >>> how(0), how(3), how(-11)
    ('ended with exit code 0 without having finished', 'ended with exit code 3', 'ended by SIGSEGV')
    """
    if code >= 0:
        return f"ended with exit code {code}" + ("" if code else " without having finished")
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


@dataclass(slots=True)
class Child:
    """One role's process and its history."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    unreachable_at: float = -OUTAGE_S
    next_start: float = 0.0
    failures: int = 0
    restarts: int = 0
    done: bool = False
    failed: bool = False
    spared: bool = False
    exit_codes: list[int] = field(default_factory=list)
    final: Report | None = None
    """The report after which it is not started again."""
    final_text: str = ""
    reports: Reports | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None


class Supervisor:
    """Keeps children running. A child is done once it has reported so and exits 0. One that reports a config error, or
    that another run has taken over, ends all. Any other end is followed by a restart with back-off, whatever the exit
    code, while the others go on (`role_report`).

    Args:
        commands: the children's command lines by name.
        environment: the children's environment; None for this process's.
        output_dir: folder of files that take the children's stdout and stderr; None where they share ours.
        spared: children whose failing for good ends nobody else; the others do not need them.
        silent: children that cannot report, as those in a container: their exit codes 0 and 2 count.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        environment: dict[str, str] | None = None,
        output_dir: Path | None = None,
        silent: Collection[str] = (),
        spared: Collection[str] = (),
    ) -> None:
        self.children = {name: Child(name, command, spared=name in spared) for name, command in commands.items()}
        self._environment = environment
        self._output_dir = output_dir
        self._silent = frozenset(silent)
        self._outage = Outage()
        self._lifeline: int | None = None
        """While it runs: the end of the pipe for the children, who read there that this process is gone."""

    def run(self, stopped: Callable[[], bool], each_turn: Callable[[], None] | None = None) -> bool:
        """Supervise until all are done, one has failed for good or `stopped`; returns whether all ended well.

        One that has failed for good ends all: without the runner, say, the others would wait for its marks for ever.
        """
        self._lifeline, own = os.pipe()
        try:
            while not stopped() and not self._over():
                for child in self.children.values():
                    self._look_after(child)
                if each_turn is not None:
                    each_turn()
                time.sleep(0.1)
        finally:
            self.stop()
            os.close(own)
            os.close(self._lifeline)
            self._lifeline = None
        return all(child.done or (child.failed and child.spared) for child in self.children.values())

    def _over(self) -> bool:
        needed = [child for child in self.children.values() if not (child.failed and child.spared)]
        return all(child.done for child in needed) or any(child.failed for child in needed)

    def _look_after(self, child: Child) -> None:
        if child.done or child.failed:
            return
        now = time.monotonic()
        if child.process is None:
            if now >= child.next_start:
                self._try_start(child, now)
            return
        code = child.process.poll()
        self._listen(child, now)
        if code is None:
            if child.failures and now - child.started > STEADY_S:
                child.failures = 0
            return
        child.exit_codes.append(code)
        child.process = None
        self._ended(child, code, now)

    def _listen(self, child: Child, now: float) -> None:
        """Read what a child has reported."""
        found = child.reports.read() if child.reports is not None else []
        unreachable = [text for word, text in found if word == Report.BROKER_UNREACHABLE]
        if unreachable:
            child.unreachable_at = now
            self._outage.seen(unreachable[-1])

    def _ended(self, child: Child, code: int, now: float) -> None:
        """Decide what follows the end of a child."""
        received = dict(child.reports.received) if child.reports is not None else {}
        if child.reports is not None:
            child.reports.close()
            child.reports = None
        if child.name in self._silent:
            received |= {Report.FINISHED: ""} if code == 0 else {Report.CONFIG_ERROR: ""} if code == 2 else {}
        if code == 0 and Report.FINISHED in received:
            child.done = True
            log.info("done", role=child.name)
        elif final := next((report for report in FINAL if report in received), None):
            child.failed = True
            child.final, child.final_text = final, received[final]
            others = "go on" if child.spared else "end"
            log.error("failed", role=child.name, exit_code=code, reason=str(final), others=others)
        else:
            wait_s = self._back_off(child, now)
            if code == 1 and now - child.unreachable_at < OUTAGE_S:  # said by `Outage`, once for all children
                log.debug("waiting_for_broker", role=child.name, in_s=wait_s)
            else:
                log.warning("restarting", role=child.name, exit_code=code, reason=how(code), in_s=wait_s)

    def _back_off(self, child: Child, now: float) -> float:
        wait = BACK_OFF_S[min(child.failures, len(BACK_OFF_S) - 1)]
        child.failures += 1
        child.restarts += 1
        child.next_start = now + wait
        return wait

    def _try_start(self, child: Child, now: float) -> None:
        """Start a child; a machine that has no room for it now must not take the others down."""
        try:
            child.process = self._start(child)
        except OSError as error:
            log.error("not_started", role=child.name, error=str(error), in_s=self._back_off(child, now))
            return
        child.started = now
        log.info("started", role=child.name, pid=child.process.pid)

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        """Start a child; with an output folder its stdout and stderr are appended to files of its name there."""
        assert self._lifeline is not None, "children are started by `run`"
        reports = Reports()
        environment = {
            **(os.environ if self._environment is None else self._environment),
            LIFELINE: str(self._lifeline),
            role_report.VARIABLE: str(reports.child_end),
        }
        # In a process group of its own: Ctrl-C at the terminal reaches this process alone, which then ends the children
        # in order. A child that is still importing would print a traceback.
        options: dict[str, Any] = {
            "env": environment,
            "pass_fds": (self._lifeline, reports.child_end),
            "process_group": 0,
        }
        try:
            with contextlib.ExitStack() as files:
                if self._output_dir is not None:
                    for stream in ("stdout", "stderr"):
                        path = self._output_dir / f"{child.name}.{stream[3:]}"
                        options[stream] = files.enter_context(path.open("ab"))
                process = subprocess.Popen(child.command, **options)
        except OSError:
            reports.close()
            raise
        finally:
            reports.started()
        child.reports = reports
        return process

    def stop(self) -> None:
        """SIGTERM to all, so that each does its last commit; SIGKILL after `STOP_S`."""
        running = [child for child in self.children.values() if child.pid is not None]
        for child in running:
            if child.process is not None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for child in running:
            if child.process is None:
                continue
            try:
                code = child.process.wait(max(0.1, deadline - time.monotonic()))
                child.done = child.done or code == 0  # it was asked to end, and has done so in order
            except subprocess.TimeoutExpired:
                log.error("killed", role=child.name, after_s=STOP_S)
                child.process.kill()
                child.process.wait()
