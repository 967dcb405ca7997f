"""One run of chaos from the first order to the report: load, deaths, rest, and what the checker finds."""

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import checker, orders, reader
from tests.chaos.fault_schedule import FaultSchedule, Plan
from tests.chaos.load import Orders, Production
from tests.chaos.phase_map import PHASES
from tests.chaos.reader import CommittedRecords
from tests.chaos.role_processes import ROLES, RoleProcesses
from tests.pipeline.trial_fixture import Trial

Say = Callable[[str], None]
COMMIT_MS = 200
REST_S = 150.0
"""So long at most after the last order everything has ended."""
SHOW_EVERY_S = 20.0


@dataclass(slots=True)
class LoadedTrial:
    """A trial under load. `direct`: where load and checker reach the broker, whatever befalls the roles' way."""

    trial: Trial
    direct: str
    orders: Orders
    production: Production
    processes: RoleProcesses

    def check_alive(self) -> None:
        for part in (self.orders, self.production):
            assert part.failure is None, f"{part.name} has failed: {part.failure!r}"

    def turn_until(self, holds: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
        """Look after the processes until something holds."""
        deadline = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
            self.check_alive()
            self.processes.turn()
            time.sleep(0.02)

    def rest(self, limit_s: float = REST_S) -> float:
        """End the load and wait until the checker is content, or the limit; gives the seconds.

        It looks only once enough has been written, for it reads everything.
        """
        began = time.monotonic()
        self.orders.end()
        rows = sum(len(orders.endings(n)) for some in self.orders.committed for n in some)
        while time.monotonic() - began < limit_s:
            self.check_alive()
            self.processes.turn()
            time.sleep(0.5)
            if reader.ends(self.direct, self.trial.topic("diff")) >= rows and self.check().right:
                break
        self.production.end()
        return time.monotonic() - began

    def check(self, seen: CommittedRecords | None = None) -> checker.Report:
        """What the checker finds in what was written, or in `seen` instead."""
        seen = seen or reader.read(self.trial, self.direct)
        return checker.check(seen, self.orders.committed, self.orders.unknown)


@contextmanager
def loaded_trial(
    bootstrap: str, folder: Path, per_s: int, seed: int, *, direct: str | None = None, **settings: Any
) -> Iterator[LoadedTrial]:
    """A trial with its load running; the roles are the caller's to start."""
    name = f"chaos-{seed}"
    trial = Trial(bootstrap, name, folder, orders.CANDIDATE, orders.CALL)
    trial.settings = {"start": "earliest", "bounded": False, "limits": {"commit_ms": COMMIT_MS}}
    trial.settings |= {"judge": {"window_ms": orders.WINDOW_MS}, **settings}
    trial.write_config()
    to = direct or bootstrap
    trial.create_topics()
    load, production = Orders(trial, to, per_s, seed), Production("production", trial, to, seed)
    with RoleProcesses(trial) as processes:
        load.start()
        production.start()
        yield LoadedTrial(trial, to, load, production, processes)


@dataclass(slots=True)
class RunFigures:
    """A run's figures."""

    report: checker.Report
    schedule: FaultSchedule
    seconds: float
    rest_s: float
    orders: int
    aborts: tuple[int, int]
    ended: dict[str, tuple[int, float]]

    def table(self) -> str:
        kills, processes = self.schedule.kills, self.schedule.processes
        lines = [
            "kill -9 by role and phase at death:",
            f"{'':<8}" + "".join(f"{p:>14}" for p in PHASES) + f"{'all':>8}",
        ]
        for role in ROLES:
            counts = [kills[role, phase] for phase in PHASES]
            lines.append(f"{role:<8}" + "".join(f"{n:>14}" for n in counts) + f"{sum(counts):>8}")
        exits = Counter((death.role, death.exit_code) for death in processes.exits())
        lines += [
            "",
            f"zombies (SIGSTOP past the session timeout): {dict(self.schedule.zombies)}; "
            f"processes added {self.schedule.added}, removed {self.schedule.removed}",
            f"exits of their own (role, code): {dict(exits)}",
            f"aborted transactions: {self.aborts[0]} in the inputs, {self.aborts[1]} in production's outputs",
            "",
            f"{'death to next commit':<24}{'n':>6}{'median s':>10}{'max s':>8}",
        ]
        for role, seconds in sorted(processes.recoveries.items()):
            lines.append(f"{role:<24}{len(seconds):>6}{statistics.median(seconds):>10.1f}{max(seconds):>8.1f}")
        slowest = max((seconds for _, seconds in self.ended.values()), default=0.0)
        lines += [
            "",
            self.report.table(),
            f"corrections: {self.report.corrections}",
            f"SIGTERM: exit codes {sorted({code for code, _ in self.ended.values()})}, all within {slowest:.1f} s",
            f"{self.orders:,} orders in {self.seconds:.0f} s; at rest {self.rest_s:.1f} s after the last",
        ]
        return "\n".join(lines)


def play(loaded: LoadedTrial, plan: Plan, seed: int, say: Say, limit_s: float) -> RunFigures:
    """Chaos until the plan is fulfilled or the limit is reached, then rest, then the checker."""
    began = time.monotonic()
    schedule = FaultSchedule(plan, loaded.processes, random.Random(seed))
    schedule.begin()
    show_at = began + SHOW_EVERY_S
    while not schedule.done and time.monotonic() - began < limit_s:
        loaded.check_alive()
        schedule.turn()
        time.sleep(0.02)
        if time.monotonic() >= show_at:
            show_at += SHOW_EVERY_S
            say(f"{time.monotonic() - began:5.0f} s: {schedule.kills.total()} kills, {loaded.orders.next:,} orders")
    schedule.end()
    rest_s = loaded.rest()
    loaded.processes.await_fenced()
    ended = loaded.processes.end()
    report = loaded.check()
    return RunFigures(
        report=report,
        schedule=schedule,
        seconds=time.monotonic() - began,
        rest_s=rest_s,
        orders=loaded.orders.next,
        aborts=(loaded.orders.aborts, loaded.production.aborts),
        ended=ended,
    )
