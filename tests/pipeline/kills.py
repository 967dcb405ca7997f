"""kill -9 of a role once it has committed often enough, told from what it has written."""

import os
import signal
import time

from shadowstream.config import Config
from shadowstream.kafka.supervisor import Supervisor
from tests.pipeline.follower import Follower


class Killer:
    """Looks each turn of the supervisor and kills each role once.

    `killed` holds for each role how many commits it had made; `pending` what the joiner had said to be unpaired.
    """

    def __init__(self, config: Config, commits: int, limit_s: float) -> None:
        self._least = commits
        self._deadline = time.monotonic() + limit_s
        self._followers = {
            role: Follower(config.kafka.bootstrap, config.plan.of(kind))
            for role, kind in (("run", "progress"), ("join", "stats"), ("judge", "judge-state"))
        }
        self._runs = 0
        self._last_kind = ""
        self._sequences: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._states = 0
        self.killed: dict[str, int] = {}
        self.pending = 0

    def turn(self, supervisor: Supervisor) -> None:
        assert time.monotonic() < self._deadline, f"still running; killed so far: {self.killed}"
        self._look()
        commits = {
            # A commit of the runner is a run of range marks, for done marks follow; the joiner's has at most one stats
            # record of each task, the judge's at most one state.
            "run": self._runs,
            "join": max(self._sequences.values(), default=0),
            "judge": self._states,
        }
        for role, made in commits.items():
            child = supervisor.children[role]
            if role in self.killed or made < self._least or child.pid is None:
                continue
            if role == "join":
                self.pending = sum(self._pending.values())
                if not self.pending:
                    continue
            os.kill(child.pid, signal.SIGKILL)
            self.killed[role] = made

    def _look(self) -> None:
        for mark in self._followers["run"].new():
            self._runs += mark["kind"] == "range" and self._last_kind != "range"
            self._last_kind = mark["kind"]
        for record in self._followers["join"].new():
            self._sequences[record["task"]] = record["seq"]
            self._pending[record["task"]] = record["pending"]
        self._states += len(self._followers["judge"].new())

    def close(self) -> None:
        for follower in self._followers.values():
            follower.close()
