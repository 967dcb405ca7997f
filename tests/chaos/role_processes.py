"""The roles as processes: started, killed, stopped and continued, and started again as our supervisor does it.

Every death goes into `deaths.jsonl` with the phase of its commit that the process was in, as its board has it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from shadowstream.health import Phase
from shadowstream.kafka.supervisor import BACK_OFF_S, STEADY_S
from tests.chaos.phase_map import PhaseMap
from tests.chaos.role_process import PlannedFault
from tests.forked import Forked
from tests.pipeline.trial_fixture import Trial

ROLES = ("run", "join", "judge")
STOP_S = 10.0
FENCED_S = 40.0
"""A zombie whose place was taken must have ended by itself so long after it goes on."""


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one process. `killed`: by us; else it ended by itself with `exit_code`."""

    at_s: float
    role: str
    instance: str
    pid: int
    exit_code: int
    killed: bool
    phase: Phase
    commits: int
    lived_s: float


@dataclass(slots=True, eq=False)
class RoleProcess:
    """One process in its place. `since`: when its predecessor died, for the time of its recovery."""

    role: str
    instance: str
    process: subprocess.Popen[bytes]
    phase_map: PhaseMap
    began: float
    since: float | None
    stopped_at: float | None = None
    killed: bool = False
    asked: bool = False
    recovered: bool = False

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.killed = True
        self.signal(signal.SIGKILL)


@dataclass(slots=True)
class RoleProcesses:
    """All processes of one trial. `fault_for` is asked for the fate of every process that is started again."""

    trial: Trial
    fault_for: Callable[[str], PlannedFault | None] = lambda _: None
    commit_fault: str | None = None
    members: dict[tuple[str, str], RoleProcess] = field(default_factory=dict)
    zombies: list[RoleProcess] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    """By role: seconds from a death to the next process's first commit."""
    _due: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """Places to be filled again: when, and since when they are empty."""
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By place: exits of its own in a row, for the back-off."""
    _boards: int = 0
    _began: float = field(default_factory=time.monotonic)

    def __enter__(self) -> RoleProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.all():
            if one.running:
                one.process.kill()
                one.process.wait()

    def all(self) -> list[RoleProcess]:
        return [*self.members.values(), *self.zombies]

    def start(
        self, role: str, instance: str = "0", fault: PlannedFault | None = None, since: float | None = None
    ) -> RoleProcess:
        path = self.trial.folder / f"board-{self._boards}"
        self._boards += 1
        phase_map = PhaseMap.make(path)
        words = [sys.executable, "-m", "tests.chaos.role_process", role, str(self.trial.config_path)]
        words += ["--instance", instance, "--phase-map", str(path)]
        words += ["--fault", str(fault)] if fault else []
        words += ["--commit-fault", self.commit_fault] if self.commit_fault and role == "join" else []
        with self.log(role, instance).open("ab") as log:
            process = Forked(words, env=self.trial.environment(), cwd=self.trial.folder, stdout=log, stderr=log)
        role_process = self.members[role, instance] = RoleProcess(
            role, instance, process, phase_map, time.monotonic(), since
        )
        return role_process

    def log(self, role: str, instance: str) -> Path:
        return self.trial.folder / f"{role}-{instance}.err"

    def of(self, role: str) -> list[RoleProcess]:
        """Those of a role that run and are not stopped."""
        return [one for one in self.members.values() if one.role == role and one.running and one.stopped_at is None]

    def places(self, role: str) -> list[str]:
        """Instances of a role that run, or will again in a moment."""
        living = [place for place, one in self.members.items() if not one.asked and one.stopped_at is None]
        return sorted(instance for one, instance in [*living, *self._due] if one == role)

    def remove(self, role: str, instance: str) -> None:
        """Ask one to end; its place is not filled again."""
        self._due.pop((role, instance), None)
        role_process = self.members.get((role, instance))
        if role_process is not None:
            role_process.asked = True
            role_process.signal(signal.SIGTERM)

    def turn(self) -> None:
        """Write down who has died, fill places, note who has committed again, look after zombies."""
        now = time.monotonic()
        for place, role_process in list(self.members.items()):
            if not role_process.running:
                self._record_death(role_process, now)
                del self.members[place]
                if not role_process.asked:
                    self._due[place] = (now + self._back_off(place, role_process, now), now)
                continue
            if role_process.phase_map.waits == "stopped" and role_process.stopped_at is None:
                role_process.stopped_at = now
            if not role_process.recovered and role_process.phase_map.commits:
                role_process.recovered = True
                if role_process.since is not None:
                    self.recoveries.setdefault(role_process.role, []).append(now - role_process.since)
        for place, (at, since) in list(self._due.items()):
            if now >= at:
                del self._due[place]
                self.start(*place, fault=self.fault_for(place[0]), since=since)
        for zombie in list(self.zombies):
            if not zombie.running:
                self._record_death(zombie, now)
                self.zombies.remove(zombie)

    def _back_off(self, place: tuple[str, str], role_process: RoleProcess, now: float) -> float:
        """Seconds until it is started again: none after a kill, else as the supervisor waits."""
        if role_process.killed:
            return 0.0
        if now - role_process.began > STEADY_S:
            self._failures[place] = 0
        self._failures[place] += 1
        return BACK_OFF_S[min(self._failures[place], len(BACK_OFF_S)) - 1]

    def replace(self, role_process: RoleProcess) -> None:
        """Take a stopped process for dead: another one takes its place, and it is a zombie from now on."""
        del self.members[role_process.role, role_process.instance]
        self.zombies.append(role_process)
        role = role_process.role
        self.start(role, role_process.instance, self.fault_for(role), since=role_process.stopped_at)

    def resume(self, role_process: RoleProcess) -> None:
        """Let a stopped process go on; its board says that it has gone on by itself only where it stopped itself."""
        role_process.phase_map.waits = "not"
        role_process.stopped_at = None
        role_process.signal(signal.SIGCONT)

    def await_fenced(self) -> None:
        """Give every zombie whose place was taken the time to end by itself; who does not stays in `zombies`."""
        deadline = time.monotonic() + FENCED_S
        while self.zombies and time.monotonic() < deadline:
            self.turn()
            time.sleep(0.05)

    def cancel_fault(self) -> None:
        """No fate holds any longer."""
        self.fault_for = lambda _: None
        for role_process in self.all():
            role_process.phase_map.cancel_fault()

    def end(self) -> dict[str, tuple[int, float]]:
        """SIGTERM to all: exit code and seconds of each."""
        began = time.monotonic()
        ended = {}
        for role_process in self.members.values():
            role_process.asked = True
            role_process.signal(signal.SIGTERM)
        for (role, instance), role_process in list(self.members.items()):
            try:
                code = role_process.process.wait(max(0.1, 3 * STOP_S - (time.monotonic() - began)))
            except subprocess.TimeoutExpired:
                role_process.process.kill()
                code = role_process.process.wait()
            ended[f"{role}-{instance}"] = (code, time.monotonic() - began)
        self.members.clear()
        return ended

    def _record_death(self, role_process: RoleProcess, now: float) -> None:
        code = role_process.process.returncode
        role_process.killed = role_process.killed or code == -signal.SIGKILL
        death = Death(
            at_s=round(now - self._began, 2),
            role=role_process.role,
            instance=role_process.instance,
            pid=role_process.process.pid,
            exit_code=code,
            killed=role_process.killed,
            phase=role_process.phase_map.phase,
            commits=role_process.phase_map.commits,
            lived_s=round(now - role_process.began, 2),
        )
        if not role_process.asked:
            self.deaths.append(death)
        with (self.trial.folder / "deaths.jsonl").open("a") as log:
            log.write(json.dumps(asdict(death)) + "\n")
        role_process.phase_map.close()

    def exits(self) -> Iterator[Death]:
        """Deaths that were nobody's doing but the process's own."""
        return (death for death in self.deaths if not death.killed)
