"""Outages of the broker under load: kill -9 in the middle of a transaction, a broker that hangs (SIGSTOP: it takes
connections and answers nobody), one whose disk is full, and black holes between it and its clients.

The load and the checker reach the broker directly, the roles through a proxy, as they would through a network.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from shadowstream.health import Phase
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.ports import free_port
from shadowstream.testing.proxy import Proxy, proxied
from tests.chaos import checker
from tests.chaos.full_disk import Disk, Refused, tight_disk
from tests.chaos.role_processes import ROLES, RoleProcess
from tests.chaos.run import LoadedTrial, Say, loaded_trial
from tests.shared_broker import FEW_THREADS

WITHIN: tuple[Phase, ...] = ("begun", "produced", "offsets_sent", "committing")
"""The phases in which a transaction is open."""
AGAIN_MAX_S = 45.0
GIVEN_UP_S = 240.0
HELD_MAX_S = 30.0
STEADY_COMMITS = 3
DISK_MB = 256


Befallen = Iterator[str]
"""Begins at its first step and ends at its second, which names its kind."""


@dataclass(frozen=True, slots=True)
class Outage:
    """What befell the broker, where a role stood in its transaction, and when each place committed again.

    `again_s` counts from the broker's return: it answers a client, goes on after SIGCONT, or the hole is healed.
    """

    kind: str
    role: str
    phase: str
    lasted_s: float
    again_s: dict[str, float]
    exits: Counter[tuple[str, int]]
    """Processes that ended by themselves meanwhile, by role and exit code; 70 is the watchdog's."""

    @property
    def slowest_s(self) -> float:
        return max(self.again_s.values())

    def __str__(self) -> str:
        again = "".join(f"{self.again_s[place]:>9.1f}" for place in sorted(self.again_s))
        exits = ", ".join(f"{role} {code}" for role, code in sorted(self.exits.elements()))
        return f"{self.kind:<6}{self.role:<7}{self.phase:<14}{self.lasted_s:>7.1f}{again}   {exits or '-'}"


@dataclass(slots=True)
class Outages:
    """Brings outages about, one after the other, and waits after each until every process commits again."""

    loaded: LoadedTrial
    kafka: EmbeddedKafka
    proxy: Proxy
    chance: random.Random
    happened: list[Outage] = field(default_factory=list)

    def begin(self) -> None:
        for place in [(role, "0") for role in ROLES] + [("run", "1"), ("join", "1")]:
            self.loaded.processes.start(*place)
        self._steady()

    def kill(self) -> Befallen:
        """kill -9 of the broker; later it is started again."""
        self.kafka.kill()
        yield ""
        self.kafka.start()
        yield "kill"

    def hang(self) -> Befallen:
        """SIGSTOP of the broker; later SIGCONT."""
        os.kill(self.kafka.pid, signal.SIGSTOP)
        yield ""
        os.kill(self.kafka.pid, signal.SIGCONT)
        yield "hang"

    def fill(self, disk: Disk) -> Befallen:
        """The broker's disk, or one of two, is full; later somebody makes room and starts the broker again. Till then
        it has ended by itself, or leads fewer partitions (half)."""
        disk.fill()
        yield ""
        left, died = disk.left, not self.kafka.running
        disk.free()
        assert left == 0, "somebody has made room"
        self.kafka.kill()
        self.kafka.start()
        yield "full" if died else "half"

    def hole(self) -> Befallen:
        """A black hole; later it is healed."""
        self.proxy.black_hole()
        yield ""
        self.proxy.heal()
        yield "hole"

    def befall(self, outage: Befallen, lasts_s: float, role: str, phase: Phase) -> None:
        """An outage that begins while a process of `role` is in `phase`, and ends `lasts_s` later."""
        role_process = self._held(role, phase)
        before, began = len(self.loaded.processes.deaths), time.monotonic()
        next(outage)
        role_process.phase_map.hold, role_process.phase_map.waits = None, "not"
        end = time.monotonic() + lasts_s
        while time.monotonic() < end:
            self.loaded.processes.turn()
            time.sleep(0.02)
        kind = next(outage)
        self._await_commits(kind, role_process.role, phase, began, before)

    def _held(self, role: str, phase: Phase) -> RoleProcess:
        """A process of the role that stands in the phase, and stays there until its board lets it go."""
        role_process = self.chance.choice(self.loaded.processes.of(role))
        role_process.phase_map.waits = "not"
        role_process.phase_map.hold = phase
        deadline = time.monotonic() + HELD_MAX_S
        while role_process.phase_map.waits != "held":
            assert time.monotonic() < deadline, f"{role} does not come to {phase}"
            time.sleep(0.0005)
        return role_process

    def _await_commits(self, kind: str, role: str, phase: str, began: float, before: int) -> None:
        returned = time.monotonic()
        again_s = self._again(returned)
        exits = Counter((death.role, death.exit_code) for death in self.loaded.processes.deaths[before:])
        self.happened.append(Outage(kind, role, phase, returned - began, again_s, exits))
        self._steady()

    def _commits(self) -> dict[int, int]:
        """Commits so far by process id."""
        return {one.process.pid: one.phase_map.commits for one in self.loaded.processes.members.values()}

    def _again(self, since: float) -> dict[str, float]:
        """Seconds from `since` to each place's next commit. A process that was started since then begins at none."""
        processes, had = self.loaded.processes, self._commits()
        waited: dict[str, float] = {}
        places = 5
        while len(waited) < places:
            assert time.monotonic() - since < GIVEN_UP_S, f"only these commit again: {waited}"
            self.loaded.check_alive()
            processes.turn()
            for (role, instance), role_process in processes.members.items():
                if role_process.running and role_process.phase_map.commits > had.get(role_process.process.pid, 0):
                    waited.setdefault(f"{role}-{instance}", time.monotonic() - since)
            time.sleep(0.02)
        return waited

    def _steady(self) -> None:
        """Until every process has made some commits more."""
        processes, had = self.loaded.processes, self._commits()

        def steady() -> bool:
            return len(processes.members) == 5 and all(
                role_process.phase_map.commits >= had.get(role_process.process.pid, 0) + STEADY_COMMITS
                for role_process in processes.members.values()
            )

        self.loaded.turn_until(steady, "every process commits", GIVEN_UP_S)

    def table(self) -> str:
        """Seconds from the broker's return to each process's next commit."""
        places = sorted(self.happened[0].again_s)
        head = f"{'':<6}{'role':<7}{'phase':<14}{'away s':>7}" + "".join(f"{place:>9}" for place in places)
        return "\n".join([f"{head}   exits of their own", *map(str, self.happened)])


@dataclass(slots=True)
class Ended:
    """A run's outages and what the checker finds."""

    outages: Outages
    report: checker.Report
    orders: int
    rest_s: float

    @property
    def slowest_s(self) -> float:
        return max(one.slowest_s for one in self.outages.happened)

    def table(self) -> str:
        load = self.outages.loaded
        return "\n".join(
            [
                "outages of the broker, and seconds from its return to each process's next commit:",
                self.outages.table(),
                f"slowest: {self.slowest_s:.1f} s (at most {AGAIN_MAX_S:g} s)",
                "",
                self.report.table(),
                f"corrections: {self.report.corrections}",
                f"aborted transactions: {load.orders.aborts} in the inputs, {load.production.aborts} in production's",
                f"{self.orders:,} orders; at rest {self.rest_s:.1f} s after the last",
            ]
        )


@contextmanager
def through_proxy(
    folder: Path, per_s: int, seed: int, data_dir: Path | None = None, more: Mapping[str, str] | None = None
) -> Iterator[Outages]:
    """A broker of its own, its proxy and a trial under load; the roles run and commit. `more`: its properties."""
    port, broker_port, controller = free_port(), free_port(), free_port()
    properties = proxied(port, broker_port, controller, proxy_port := free_port()) | FEW_THREADS | dict(more or {})
    with (
        Proxy(broker_port, port=proxy_port) as proxy,
        EmbeddedKafka(port=port, data_dir=data_dir, properties=properties) as kafka,
        loaded_trial(proxy.bootstrap, folder, per_s, seed, direct=kafka.bootstrap) as loaded,
    ):
        outages = Outages(loaded, kafka, proxy, random.Random(seed))
        outages.begin()
        yield outages


@contextmanager
def on_tight_disk(folder: Path, per_s: int, seed: int, *, second: bool) -> Iterator[tuple[Outages, Disk]]:
    """As `through_proxy`, with the broker on a disk that can be full; or with it as the second of the broker's two, on
    which half of all partitions lie. Raises `Refused` where there can be no such disk."""
    with tight_disk(DISK_MB) as disk, TemporaryDirectory(prefix="shadowstream-full-") as other:
        home = Path(other) if second else disk.path / "home"
        with through_proxy(folder, per_s, seed, home, _two_disks(home, disk) if second else None) as outages:
            yield outages, disk


@contextmanager
def on_tight_disk_if_any(folder: Path, per_s: int, seed: int, say: Say) -> Iterator[tuple[Outages, Disk | None]]:
    """On a disk that can be full where this machine lets us have one; where not, that is said."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(on_tight_disk(folder, per_s, seed, second=False))
        except Refused as refused:
            say(f"no full disk is tried: {refused}")
            yield stack.enter_context(through_proxy(folder, per_s, seed)), None


def _two_disks(home: Path, disk: Disk) -> dict[str, str]:
    """Properties of a broker that also keeps its data on `disk`, which is made to belong to it."""
    with EmbeddedKafka(data_dir=home):
        pass
    first, second = home / "data", disk.path / "second"
    second.mkdir()
    whose = (first / "meta.properties").read_text("utf-8").splitlines()
    (second / "meta.properties").write_text("\n".join(x for x in whose if not x.startswith("directory.id")), "utf-8")
    return {"log.dirs": f"{first},{second}", "metadata.log.dir": str(first)}


def play(
    outages: Outages,
    *,
    say: Say,
    kills: int = 0,
    holes_s: Sequence[float] = (),
    hangs_s: Sequence[float] = (),
    fills: Sequence[tuple[Disk, float]] = (),
) -> Ended:
    """Kills of the broker, hangs, full disks and holes of these lengths in turn, each in another phase; the checker."""
    due: list[tuple[Befallen, float]] = [
        *((outages.kill(), outages.chance.uniform(0.0, 6.0)) for _ in range(kills)),
        *((outages.hang(), seconds) for seconds in hangs_s),
        *((outages.fill(disk), seconds) for disk, seconds in fills),
        *((outages.hole(), seconds) for seconds in holes_s),
    ]
    for i, (outage, seconds) in enumerate(due):
        outages.befall(outage, seconds, ROLES[(i + 1) % len(ROLES)], WITHIN[i % len(WITHIN)])
        say(str(outages.happened[-1]))
    rest_s = outages.loaded.rest()
    outages.loaded.processes.end()
    return Ended(outages, outages.loaded.check(), outages.loaded.orders.next, rest_s)
