"""One role process with a planned fault: `python -m tests.chaos.role_process run trial.yaml --fault die:produced:3`.

It is the role of `shadowstream run|join|judge`, but for a watch that writes down each phase of a commit and, once it
has made so many commits, dies in one by kill -9 or stops itself there as a zombie. It holds still where its board says.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from shadowstream.cli.roles import COMMANDS, stop_on_signals
from shadowstream.configfile import load
from shadowstream.health import Phase, RoleHealth
from shadowstream.logs import configure_logging, get_logger
from shadowstream.revision import revision_of
from tests.chaos import faulty_joiners
from tests.chaos.phase_map import PhaseMap

log = get_logger("chaos")
Kind = Literal["die", "stop"]
SOON_S = 0.015
"""So long at most after a phase has begun the process dies in it: what it has handed over is under way by then."""
CALL_S = 0.005
"""As long as a commit takes: so long at most after it was called the process dies, mostly before it returns."""
HOLD_MAX_S = 20.0


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """The fault that meets the process in `phase`, once it has made `after` commits.

    >>> PlannedFault.parse("die:produced:3") == PlannedFault("die", "produced", 3)
    True
    """

    kind: Kind
    phase: Phase
    after: int

    @classmethod
    def parse(cls, text: str) -> PlannedFault:
        kind, phase, after = text.split(":")
        return cls(cast(Kind, kind), cast(Phase, phase), int(after))

    def __str__(self) -> str:
        return f"{self.kind}:{self.phase}:{self.after}"


class FaultyHealth(RoleHealth):
    """A `RoleHealth` that shows each phase in the phase map and carries out the planned fault."""

    def __init__(self, shadow: str, role: str, phase_map: PhaseMap, fault: PlannedFault | None, turn_s: float) -> None:
        super().__init__(shadow, role)
        self._phase_map, self._fault, self._turn_s = phase_map, fault, turn_s

    def reached(self, phase: Phase) -> None:
        super().reached(phase)
        self._phase_map.phase = phase
        if phase == "committed":
            self._phase_map.commits += 1
        if self._phase_map.hold == phase:
            self._hold(phase)
        fault = self._fault
        if (
            fault is None
            or fault.phase != phase
            or self._phase_map.commits < fault.after
            or self._phase_map.fault_cancelled
        ):
            return
        self._fault = None
        self._carry_out(fault)

    def _hold(self, phase: Phase) -> None:
        """Wait until the board lets it go; of a commit that is to be under way only say that it is called."""
        self._phase_map.waits = "held"
        deadline = time.monotonic() + HOLD_MAX_S
        while phase != "committing" and self._phase_map.hold == phase and time.monotonic() < deadline:
            time.sleep(0.002)

    def _carry_out(self, fault: PlannedFault) -> None:
        if fault.kind == "stop":
            self._phase_map.waits = "stopped"
            os.kill(os.getpid(), signal.SIGSTOP)
            self._phase_map.waits = "not"
        elif fault.phase in ("consuming", "committing"):  # the phase lasts while the process does something: go on
            longest_s = self._turn_s if fault.phase == "consuming" else CALL_S
            threading.Timer(random.uniform(0, longest_s), os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            time.sleep(random.uniform(0, SOON_S))
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("command", choices=COMMANDS)
    words.add_argument("config", type=Path)
    words.add_argument("--instance", default="0")
    words.add_argument("--phase-map", type=Path, required=True)
    words.add_argument("--fault", type=PlannedFault.parse)
    words.add_argument("--commit-fault", choices=faulty_joiners.KINDS)
    options = words.parse_args()
    configure_logging(json=True)
    if options.commit_fault:
        faulty_joiners.commit_apart(options.commit_fault)
    stop = stop_on_signals()
    config = load(options.config, dict(os.environ))
    role = COMMANDS[options.command]
    watch = FaultyHealth(config.name, role, PhaseMap(options.phase_map), options.fault, config.limits.commit_ms / 1000)
    module = importlib.import_module(f"shadowstream.kafka.roles.{role}")
    figures = module.run(config, revision_of(config), stop, watch, options.instance)
    log.info("ended", **{f"figure_{name}": value for name, value in figures.items()})


if __name__ == "__main__":
    main()
