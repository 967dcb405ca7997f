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
from tests.chaos.phase_map import Board
from tests.chaos.role_process import Fate
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
class Member:
    """One process in its place. `since`: when its predecessor died, for the time of its recovery."""

    role: str
    instance: str
    process: subprocess.Popen[bytes]
    board: Board
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
class Cast:
    """All processes of one trial. `fate_of` is asked for the fate of every process that is started again."""

    trial: Trial
    fate_of: Callable[[str], Fate | None] = lambda _: None
    sabotage: str | None = None
    members: dict[tuple[str, str], Member] = field(default_factory=dict)
    zombies: list[Member] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    """By role: seconds from a death to the next process's first commit."""
    _due: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """Places to be filled again: when, and since when they are empty."""
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By place: exits of its own in a row, for the back-off."""
    _boards: int = 0
    _began: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Cast:
        return self

    def __exit__(self, *_: object) -> None:
        for one in [*self.members.values(), *self.zombies]:
            if one.running:
                one.process.kill()
                one.process.wait()

    def start(self, role: str, instance: str = "0", fate: Fate | None = None, since: float | None = None) -> Member:
        path = self.trial.folder / f"board-{self._boards}"
        self._boards += 1
        board = Board.make(path)
        words = [sys.executable, "-m", "tests.chaos.role_process", role, str(self.trial.config_path)]
        words += ["--instance", instance, "--board", str(path)]
        words += ["--fate", str(fate)] if fate else []
        words += ["--sabotage", self.sabotage] if self.sabotage and role == "join" else []
        with self.log(role, instance).open("ab") as log:
            process = Forked(words, env=self.trial.environment(), cwd=self.trial.folder, stdout=log, stderr=log)
        member = self.members[role, instance] = Member(role, instance, process, board, time.monotonic(), since)
        return member

    def log(self, role: str, instance: str) -> Path:
        return self.trial.folder / f"{role}-{instance}.err"

    def of(self, role: str) -> list[Member]:
        """Those of a role that run and are not stopped."""
        return [one for one in self.members.values() if one.role == role and one.running and one.stopped_at is None]

    def places(self, role: str) -> list[str]:
        """Instances of a role that run, or will again in a moment."""
        living = [place for place, member in self.members.items() if not member.asked and member.stopped_at is None]
        return sorted(instance for one, instance in [*living, *self._due] if one == role)

    def remove(self, role: str, instance: str) -> None:
        """Ask one to end; its place is not filled again."""
        self._due.pop((role, instance), None)
        member = self.members.get((role, instance))
        if member is not None:
            member.asked = True
            member.signal(signal.SIGTERM)

    def turn(self) -> None:
        """Write down who has died, fill places, note who has committed again, look after zombies."""
        now = time.monotonic()
        for place, member in list(self.members.items()):
            if not member.running:
                self._bury(member, now)
                del self.members[place]
                if not member.asked:
                    self._due[place] = (now + self._back_off(place, member, now), now)
                continue
            if member.board.waits == "stopped" and member.stopped_at is None:
                member.stopped_at = now
            if not member.recovered and member.board.commits:
                member.recovered = True
                if member.since is not None:
                    self.recoveries.setdefault(member.role, []).append(now - member.since)
        for place, (at, since) in list(self._due.items()):
            if now >= at:
                del self._due[place]
                self.start(*place, fate=self.fate_of(place[0]), since=since)
        for zombie in list(self.zombies):
            if not zombie.running:
                self._bury(zombie, now)
                self.zombies.remove(zombie)

    def _back_off(self, place: tuple[str, str], member: Member, now: float) -> float:
        """Seconds until it is started again: none after a kill, else as the supervisor waits."""
        if member.killed:
            return 0.0
        if now - member.began > STEADY_S:
            self._failures[place] = 0
        self._failures[place] += 1
        return BACK_OFF_S[min(self._failures[place], len(BACK_OFF_S)) - 1]

    def replace(self, member: Member) -> None:
        """Take a stopped process for dead: another one takes its place, and it is a zombie from now on."""
        del self.members[member.role, member.instance]
        self.zombies.append(member)
        self.start(member.role, member.instance, self.fate_of(member.role), since=member.stopped_at)

    def resume(self, member: Member) -> None:
        """Let a stopped process go on; its board says that it has gone on by itself only where it stopped itself."""
        member.board.waits = "not"
        member.stopped_at = None
        member.signal(signal.SIGCONT)

    def await_fenced(self) -> None:
        """Give every zombie whose place was taken the time to end by itself; who does not stays in `zombies`."""
        deadline = time.monotonic() + FENCED_S
        while self.zombies and time.monotonic() < deadline:
            self.turn()
            time.sleep(0.05)

    def pardon(self) -> None:
        """No fate holds any longer."""
        self.fate_of = lambda _: None
        for member in [*self.members.values(), *self.zombies]:
            member.board.pardon()

    def end(self) -> dict[str, tuple[int, float]]:
        """SIGTERM to all: exit code and seconds of each."""
        began = time.monotonic()
        ended = {}
        for member in self.members.values():
            member.asked = True
            member.signal(signal.SIGTERM)
        for (role, instance), member in list(self.members.items()):
            try:
                code = member.process.wait(max(0.1, 3 * STOP_S - (time.monotonic() - began)))
            except subprocess.TimeoutExpired:
                member.process.kill()
                code = member.process.wait()
            ended[f"{role}-{instance}"] = (code, time.monotonic() - began)
        self.members.clear()
        return ended

    def _bury(self, member: Member, now: float) -> None:
        code = member.process.returncode
        member.killed = member.killed or code == -signal.SIGKILL
        death = Death(
            at_s=round(now - self._began, 2),
            role=member.role,
            instance=member.instance,
            pid=member.process.pid,
            exit_code=code,
            killed=member.killed,
            phase=member.board.phase,
            commits=member.board.commits,
            lived_s=round(now - member.began, 2),
        )
        if not member.asked:
            self.deaths.append(death)
        with (self.trial.folder / "deaths.jsonl").open("a") as log:
            log.write(json.dumps(asdict(death)) + "\n")
        member.board.close()

    def exits(self) -> Iterator[Death]:
        """Deaths that were nobody's doing but the process's own."""
        return (death for death in self.deaths if not death.killed)
