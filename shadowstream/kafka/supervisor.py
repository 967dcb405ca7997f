"""Roles as child processes on one machine: started, restarted with back-off, stopped together."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shadowstream.kafka import role_report
from shadowstream.kafka.outage_log import OutageLog
from shadowstream.kafka.role_report import Report, Reports
from shadowstream.logs import get_logger

log = get_logger("supervisor")
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""In an outage a child fails repeatedly, and its work must continue within 45 s after the outage."""
STEADY_S = 10.0  # running time after which a child counts as steady: outages a minute apart are no crash loop
CHEAP_START_S = 5.0  # a start that takes no longer costs brokers and machine little, however often it comes
COST_WAIT_MAX_S = 600.0
"""Longest wait because of the cost of a start: a joiner reads its dedupe span again, up to gigabytes at each start."""
STOP_S = 10.0
FINAL = (Report.CONFIG_ERROR, Report.TAKEN_OVER)  # reports after which a restart of the child would only fail again
OUTAGE_S = 5.0  # A child that exits 1 so soon after it could not reach a broker has ended because of that
LIFELINE = "SHADOWSTREAM_LIFELINE"
"""Environment variable with the child's end of the pipe that closes with its supervisor."""


def end_with_supervisor() -> None:
    """End this process as by SIGTERM once its supervisor is gone; SIGKILL follows `STOP_S` later.

    Only the supervisor holds the other end of a pipe, which the system closes even on kill -9. Call this after the
    handler of SIGTERM is installed; it affects only a child of a `Supervisor`.
    """
    pipe = role_report.inherited_pipe(LIFELINE)
    if pipe is None:
        return

    def wait() -> None:
        os.read(pipe, 1)  # returns when the other end is closed, as no process writes to it
        log.warning("supervisor_gone", kill_in_s=STOP_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def end_text(code: int) -> str:
    """Describe the end of a process, by the code that the system gives.

    >>> end_text(0), end_text(3), end_text(-11)
    ('ended with exit code 0 without having finished', 'ended with exit code 3', 'ended by SIGSEGV')
    """
    if code >= 0:
        return f"ended with exit code {code}" + ("" if code else " without having finished")
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


@dataclass(slots=True)
class RoleProcess:
    """One role's process and its history."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    unreachable_at: float = -OUTAGE_S
    caught_up_at: float | None = None
    next_start: float = 0.0
    failures: int = 0
    costly_failures: int = 0  # those whose start cost much: failures of an outage cost brokers nothing
    restarts: int = 0
    done: bool = False
    failed: bool = False
    spared: bool = False
    beside: bool = False
    exit_codes: list[int] = field(default_factory=list)
    final: Report | None = None  # the report after which the supervisor does not start it again
    final_text: str = ""
    reports: Reports | None = None

    def start_s(self, now: float) -> float:
        """Return how long the last start took, until the child had read again what it needs, or until it ended."""
        return (now if self.caught_up_at is None else self.caught_up_at) - self.started

    def is_steady(self, now: float) -> bool:
        """Return whether the child has run long enough, measured by the cost of its start, to forget its failures."""
        if self.caught_up_at is None:
            return now - self.started > COST_WAIT_MAX_S
        return now - self.caught_up_at > max(STEADY_S, self.start_s(now))

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.poll() is None else None


class Supervisor:
    """Supervisor that keeps role processes running.

    A child is done once it has reported so and exits 0. A child that reports a config error, or that another run has
    taken over, ends all. After any other end the supervisor restarts it with back-off, whatever the exit code, while
    the others continue (`role_report`).

    `commands`, `environment`: the children's command lines by name, and their environment (None: this process's).
    `output_dir`: folder of files for their stdout and stderr (None: this process's). `spared`: children that the others
    do not need. `beside`: spared children that have no end of their own, and are not waited for. `silent`: children
    that cannot report, as those in a container: their exit codes 0 and 2 count.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        environment: dict[str, str] | None = None,
        output_dir: Path | None = None,
        silent: Collection[str] = (),
        spared: Collection[str] = (),
        streams: Mapping[str, int] | None = None,
        beside: Collection[str] = (),
    ) -> None:
        self.children = {name: RoleProcess(name, command) for name, command in commands.items()}
        for name, child in self.children.items():
            child.beside = name in beside
            child.spared = child.beside or name in spared
        self._environment, self._output_dir, self._silent = environment, output_dir, frozenset(silent)
        self._streams = dict(streams or {})
        self._outage = OutageLog()
        self._lifeline: int | None = None
        """While it runs: the children's end of the pipe, which closes with this process."""

    def run(self, stopped: Callable[[], bool], each_turn: Callable[[], None] | None = None) -> bool:
        """Supervise until all are done, one has failed for good or `stopped`; return whether all ended well."""
        self._lifeline, own = os.pipe()
        try:
            while not stopped() and not self._is_over():
                for child in self.children.values():
                    self._supervise(child)
                if each_turn is not None:
                    each_turn()
                time.sleep(0.1)
        finally:
            self.stop()
            os.close(own)
            os.close(self._lifeline)
            self._lifeline = None
        return all(child.done for child in self._awaited())

    def _is_over(self) -> bool:
        awaited = self._awaited()
        return all(child.done for child in awaited) or any(child.failed for child in awaited)

    def _awaited(self) -> list[RoleProcess]:
        return [one for one in self.children.values() if not one.beside and not (one.failed and one.spared)]

    def _supervise(self, child: RoleProcess) -> None:
        if child.done or child.failed:
            return
        now = time.monotonic()
        if child.process is None:
            if now >= child.next_start:
                self._try_start(child, now)
            return
        code = child.process.poll()
        for report, text in child.reports.read() if child.reports is not None else []:
            if report == Report.BROKER_UNREACHABLE:
                child.unreachable_at = now
                self._outage.seen(text)
            elif report == Report.CAUGHT_UP and child.caught_up_at is None:
                child.caught_up_at = now
        if code is None:
            if child.failures and child.is_steady(now):
                child.failures = child.costly_failures = 0
            return
        child.exit_codes.append(code)
        child.process = None
        self._handle_end(child, code, now)

    def _handle_end(self, child: RoleProcess, code: int, now: float) -> None:
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
            others = "continue" if child.spared else "end"
            log.error("failed", role=child.name, exit_code=code, reason=str(final), others=others)
        else:
            in_outage = code == 1 and now - child.unreachable_at < OUTAGE_S
            wait_s = self._back_off(child, now, 0.0 if in_outage else child.start_s(now))
            if in_outage:  # `OutageLog` logs it once for all children
                log.debug("waiting_for_broker", role=child.name, in_s=wait_s)
            else:
                log.warning("restarting", role=child.name, exit_code=code, reason=end_text(code), in_s=wait_s)

    def _back_off(self, child: RoleProcess, now: float, start_s: float = 0.0) -> float:
        """Return the time until the next start: with each failure in a row longer, and with what a start costs."""
        wait = BACK_OFF_S[min(child.failures, len(BACK_OFF_S) - 1)]
        if start_s > CHEAP_START_S:
            if child.costly_failures:
                wait = max(wait, min(COST_WAIT_MAX_S, start_s * 2 ** min(child.costly_failures - 1, 10)))
            child.costly_failures += 1
        child.failures += 1
        child.restarts += 1
        child.next_start = now + wait
        return wait

    def _try_start(self, child: RoleProcess, now: float) -> None:
        """Start a child; if the machine has no room for it now, log that and let the others run."""
        try:
            child.process = self._start(child)
        except OSError as error:
            log.error("not_started", role=child.name, error=str(error), in_s=self._back_off(child, now))
            return
        child.started, child.caught_up_at = now, now if child.name in self._silent else None
        log.info("started", role=child.name, pid=child.process.pid)

    def _start(self, child: RoleProcess) -> subprocess.Popen[bytes]:
        """Start a child; with an output folder, append its stdout and stderr to files there."""
        assert self._lifeline is not None, "children are started by `run`"
        reports = Reports()
        environment = dict(os.environ if self._environment is None else self._environment)
        environment |= {LIFELINE: str(self._lifeline), role_report.VARIABLE: str(reports.child_end)}
        # A process group of its own: Ctrl-C at the terminal reaches only this process, which ends the children in
        # order. A child that is still importing would print a traceback.
        fds = (self._lifeline, reports.child_end)
        options: dict[str, Any] = {"env": environment, "pass_fds": fds, "process_group": 0, **self._streams}
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
        """Send SIGTERM to all, so that each does its last commit; SIGKILL after `STOP_S`."""
        running = [(child, child.process) for child in self.children.values() if child.process and child.pid]
        for _, process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for child, process in running:
            try:
                code = process.wait(max(0.1, deadline - time.monotonic()))
                child.done = child.done or code == 0  # it ended in order on request
            except subprocess.TimeoutExpired:
                log.error("killed", role=child.name, after_s=STOP_S)
                process.kill()
                process.wait()
