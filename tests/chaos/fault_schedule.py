"""The chaos: who dies when and where, drawn from a seed, until each phase of each role has had its deaths."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from shadowstream.health import Phase
from tests.chaos.phase_map import PHASES
from tests.chaos.role_process import PlannedFault
from tests.chaos.role_processes import ROLES, RoleProcesses

SESSION_S = 10.0
"""Session timeout of our groups: a process that is stopped longer loses its partitions."""
ZOMBIE_S = (SESSION_S + 1.5, SESSION_S + 5.0)
ZOMBIE_PHASES = ("begun", "produced", "offsets_sent", "consuming")
SCALED = ("run", "join")
"""Roles of which there may be several processes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much chaos. `each`: least kills in each phase of each role."""

    kills: int
    each: int
    zombies: int
    changes: int
    """Of membership: processes added or removed."""
    kill_every_s: float = 3.0
    """Between two kills at random, on average."""
    change_every_s: float = 12.0

    @classmethod
    def of(cls, kills: int) -> Plan:
        """For so many kills in all."""
        return cls(kills, each=kills // 20, zombies=max(1, kills // 16), changes=max(1, kills // 12))


@dataclass(slots=True)
class FaultSchedule:
    """Turns a plan into deaths; `done` once it is fulfilled."""

    plan: Plan
    processes: RoleProcesses
    chance: random.Random
    zombies: Counter[str] = field(default_factory=Counter)
    """By what became of them: replaced, or kept in their place."""
    added: int = 0
    removed: int = 0
    _planned: Counter[tuple[str, str]] = field(default_factory=Counter)
    _resume_at: dict[int, float] = field(default_factory=dict)
    _kill_at: float = 0.0
    _change_at: float = 0.0
    _next_instance: int = 2

    def begin(self) -> None:
        now = time.monotonic()
        self._kill_at = now + self.chance.expovariate(1 / self.plan.kill_every_s)
        self._change_at = now + self.plan.change_every_s
        self.processes.fault_for = self.fault_for
        for role, instance in [(role, "0") for role in ROLES] + [(role, "1") for role in SCALED]:
            self.processes.start(role, instance, self.fault_for(role))

    @property
    def kills(self) -> Counter[tuple[str, str]]:
        """kill -9 by role and phase at death."""
        return Counter((death.role, death.phase) for death in self.processes.deaths if death.killed)

    @property
    def done(self) -> bool:
        return (
            self.kills.total() >= self.plan.kills
            and not any(map(self._lacking, ROLES))
            and self.zombies.total() >= self.plan.zombies
            and not self._resume_at
            and self.added + self.removed >= self.plan.changes
        )

    def fault_for(self, role: str) -> PlannedFault | None:
        """Of the next process of a role: a zombie's where one is due, else a death in the phase that lacks most."""
        after = self.chance.randint(1, 6)
        if self._zombies_started() < self.plan.zombies and self.chance.random() < 0.15:
            return PlannedFault("stop", self.chance.choice(ZOMBIE_PHASES), after)
        lacking = self._lacking(role)
        if lacking and self.chance.random() < 0.9:
            return PlannedFault("die", self.chance.choice(lacking), after)
        if self.kills.total() < self.plan.kills and self.chance.random() < 0.5:
            return PlannedFault("die", self.chance.choice(PHASES), after)
        return None  # it lives until it is killed at random

    def _lacking(self, role: str) -> list[Phase]:
        """Phases in which too few of a role have died so far."""
        kills = self.kills
        return [phase for phase in PHASES if kills[role, phase] < self.plan.each]

    def _zombies_started(self) -> int:
        return self.zombies.total() + len(self._resume_at)

    def turn(self) -> None:
        now = time.monotonic()
        self.processes.turn()
        self._stop_some(now)
        if now >= self._kill_at:
            self._kill_at = now + self.chance.expovariate(1 / self.plan.kill_every_s)
            self._kill_one(now)
        if now >= self._change_at:
            self._change_at = now + self.plan.change_every_s
            self._change()

    def _kill_one(self, now: float) -> None:
        """Kill one at random, or stop it in whatever phase it is in."""
        lacking = [role for role in ROLES if self._lacking(role)]
        living = [one for role in lacking or ROLES for one in self.processes.of(role) if one.phase_map.commits]
        if not living:
            return
        role_process = self.chance.choice(living)
        if self._zombies_started() < self.plan.zombies and self.chance.random() < 0.3:
            role_process.signal(signal.SIGSTOP)
            role_process.stopped_at = now
        else:
            role_process.kill()

    def _stop_some(self, now: float) -> None:
        """Replace some of the stopped, and let all go on once the session is over."""
        there = {one.process.pid for one in self.processes.all()}
        self._resume_at = {pid: at for pid, at in self._resume_at.items() if pid in there}
        for role_process in self.processes.all():
            if role_process.stopped_at is None:
                continue
            pid = role_process.process.pid
            if pid not in self._resume_at:
                self._resume_at[pid] = role_process.stopped_at + self.chance.uniform(*ZOMBIE_S)
                if self.chance.random() < 0.5:
                    self.processes.replace(role_process)
            elif now >= self._resume_at[pid]:
                del self._resume_at[pid]
                self.zombies["replaced" if role_process in self.processes.zombies else "kept"] += 1
                self.processes.resume(role_process)

    def _change(self) -> None:
        """Remove a process, or add one under a name that the group has not seen."""
        role = self.chance.choice(SCALED)
        places = self.processes.places(role)
        if len(places) > 2 or (len(places) == 2 and self.chance.random() < 0.5):
            self.processes.remove(role, self.chance.choice(places))
            self.removed += 1
        else:
            self.processes.start(role, str(self._next_instance), self.fault_for(role))
            self._next_instance += 1
            self.added += 1

    def end(self) -> None:
        """No more deaths; whoever is stopped goes on, and every place is filled."""
        self.processes.cancel_fault()
        for role_process in self.processes.all():
            if role_process.stopped_at is not None:
                self.processes.resume(role_process)
