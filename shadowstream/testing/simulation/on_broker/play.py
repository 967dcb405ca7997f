"""Play a history on the broker in memory: the same actions as in `simulation.play`, of real roles that take turns."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from random import Random

from shadowstream.codecs import own
from shadowstream.joiner.recovery import checkpoint
from shadowstream.kafka.transaction import split_metadata
from shadowstream.records import Partition, Side
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.hosts import Host
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.processes import Process
from shadowstream.testing.simulation.history import BEGIN_MS, IDLE_MS, INPUT, Action, History
from shadowstream.testing.simulation.joiners import Stored
from shadowstream.testing.simulation.on_broker.faults import Faults
from shadowstream.testing.simulation.on_broker.judged import judge_offences
from shadowstream.testing.simulation.on_broker.logs import decided_rows, first_of_each
from shadowstream.testing.simulation.on_broker.roles import ENDLESS, Service, retelling, watches
from shadowstream.testing.simulation.on_broker.world import BrokerWorld
from shadowstream.testing.simulation.play import Trial
from shadowstream.testing.simulation.run import Way

SLICE = 12
"""Client calls of a process at a time."""
CALM_S = 2.5
SETTLED_S = 14.0
"""Past the session of a member that is dead."""
LONG_S = 11.0
"""Past the session of one that is frozen."""
TURNS_MAX = 4_000
SILENT = logging.CRITICAL + 1


class BrokerTrial(Trial):
    """One trial being played."""

    def __init__(self, history: History) -> None:
        self.history, self.setup = history, history.setup
        self.draw = Random(f"turns of {history.setup.seed}")
        self.broker = MemoryBroker(ManualClock(BEGIN_MS), self.draw)
        self.broker.clock.waits = lambda seconds: self.running.wait(seconds)
        self.running: Host = Host(self.broker.clock)
        self.world = self.on_broker = BrokerWorld(history, self.broker)
        self.stored = Stored(self.setup.outputs)
        self.tasks = [(topic, p) for topic in self.world.topics for p in range(self.setup.outputs)]
        self.faults = Faults(self.setup.seed, self.broker, at_least_once=self.setup.at_least_once)
        self._commit_call = "commit" if self.setup.at_least_once else "commit_transaction"
        service = partial(Service, self.on_broker, self.faults)
        self.candidate = service("watcher" if self.setup.adopted else "runner")
        self.joiners = [service("joiner", "0"), service("joiner", "1")]
        self.joiners[1].wanted = False
        self.judge = service("judge")
        self.services = [self.candidate, *self.joiners, self.judge]
        self.frozen: list[tuple[Service, Process]] = []
        self.zombies: list[Process] = []
        self.befallen = Counter()
        self.undone: list[str] = []
        self.broker.gate = self._gate
        self._watches = watches(self.world.config)

    def _gate(self, group: str, place: Partition, stable: int) -> int:
        """Within the strict order of time the runner may read no input partition ahead of another."""
        if not self.setup.strict or place.topic != INPUT or group != self.world.config.plan.group("runner"):
            return stable
        positions = dict.fromkeys(self.world.inputs, 0) | self.candidate.positions()
        return self.world.allowed(positions, place, stable)

    def play(self) -> BrokerTrial:
        with self._inside():
            for action in self.history.actions:
                self.do(action)
                self.on_broker.share()
                self._supervise(0.5)
            self.drain()
            self._leave()
        self._take()
        return self

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        with inside(self.broker, lambda: self.running), retelling(self.on_broker):
            try:
                yield
            finally:
                frozen = [process for _, process in self.frozen]
                self._kill([s.process for s in self.services if s.process is not None] + self.zombies + frozen)

    def _hand_over(self, process: Process, turn: Callable[[], None]) -> None:
        before, self.running = self.running, process
        try:
            turn()
        finally:
            self.running = before

    def _supervise(self, chance: float) -> None:
        """Start again what has died or ended by an error, as `up` does."""
        for service in self.services:
            service.heed()
            stale = service.running and service.revision != self.world.revision and service.role != "runner"
            if stale and chance == 1 and service.process is not None:
                self._hand_over(service.process, service.process.kill)
            if service.wanted and not service.running and not service.finished and self.draw.random() < chance:
                service.start(self._watches)

    def _run(self, service: Service, calls: int, until: Callable[[], bool] | None = None) -> None:
        process = service.process
        if process is not None and service.running:
            self._hand_over(process, lambda: process.run(calls, until))
        service.heed()

    def _read(self, side: Side, task: tuple[str, int], n: int) -> None:
        if side in self.setup.sides:
            self._run(self.joiners[task[1] % 2] if self.joiners[1].running else self.joiners[0], n * 3)

    def _handle(self, name: str, place: Partition, n: int) -> None:
        if name == "run" and self.world.running is not None:
            self._run(self.candidate, 2 * n)
        else:
            super()._handle(name, place, n)

    def do(self, action: Action) -> None:
        """One action; those of the joiner's become turns of its process, or its death."""
        name, which, n = action
        service = self.joiners[which % 2] if self.joiners[which % 2].running else self.joiners[0]
        if name in ("poll", "observe", "fetch", "commit"):
            self._run(service, n * (8 if name == "commit" else 3))
        elif name in ("crash", "torn", "unheard"):
            if service.process is not None:
                self.faults.arm(service.process, name)
            self._run(service, 60)
        elif name == "retention":
            self._retain(service)
        elif name == "freeze":
            places = [place for place in self.world.logs.records if place not in self.world.inputs]
            log = self.broker.logs[places[which % len(places)]]  # not decided for its readers from now on; or it is
            log.held = log.end if log.held is None else None
        else:
            super().do(action)
        if self.draw.random() < 0.3:
            self._run(self.judge, n * 2)

    def _commit_runner(self, which: int, n: int) -> None:
        if self.world.job is not None:
            self.world.job.commit()
        self._run(self.candidate, 2 * SLICE)

    def _crash_runner(self, which: int, n: int) -> None:
        if self.candidate.process is not None:
            self.faults.arm(self.candidate.process, self.draw.choice(("crash", "torn", "unheard")))
        self._run(self.candidate, 60)

    def _wait(self, which: int, n: int) -> None:
        self.world.move_to(self.world.now_ms + IDLE_MS + 1)

    def _turn(self, which: int, n: int) -> None:
        for service in self.services:
            self._run(service, SLICE)
        self._run_zombies(SLICE)

    def _revision(self, which: int, n: int) -> None:
        """The runner dies, and one of the new revision takes its place; the others follow when they start again."""
        if self.world.running is None or self.candidate.process is None or self.candidate.finished:
            return
        if self.setup.at_least_once:  # else what it had not decided would be taken for answers of the new one
            self._end_in_order(self.candidate)
        self._hand_over(self.candidate.process, self.candidate.process.kill)
        self.world.switch()
        self.candidate.start(self._watches)

    def _rebalance(self, which: int, n: int) -> None:
        """A joiner comes, goes, or freezes for longer than its session, in one of which another takes its place."""
        service = self.joiners[which % 2]
        if n % 4 == 1 and not self.frozen:
            self._freeze(self.candidate if which > 5 else service, takes_place=which % 4 > 1)
        elif self.frozen:
            self._thaw()
        elif not service.wanted:
            service.wanted = True
        elif n % 4 == 0 and service.running:
            self._stop(service)

    def _stop(self, service: Service) -> None:
        """In order: the last commit is done. Its tasks go over once its session has passed."""
        service.stop.stop()
        self._run(service, 10 * SLICE)
        if service is self.joiners[1]:
            service.wanted = False
            if service.process is not None and service.running:
                self._hand_over(service.process, service.process.kill)

    def _end_in_order(self, service: Service) -> None:
        """Whatever had befallen it: it is started again, gets on, and ends by itself."""
        self.calm(CALM_S)
        quiet, self.faults.quiet = self.faults.quiet, True
        service.stop.stop()
        self._run(service, 1_000 * SLICE)
        self.faults.quiet = quiet

    def _freeze(self, service: Service, *, takes_place: bool) -> None:
        """SIGSTOP; then its session passes, or another process of the same instance is started before that."""
        process = service.process
        if process is None or not service.running or (self.setup.adopted and service is self.candidate):
            return
        if self.setup.at_least_once:
            return  # nothing fences a zombie there
        process.frozen = True
        self.frozen.append((service, process))
        service.process = None
        if not takes_place:
            service.wanted = False
            self.world.move_to(self.world.now_ms + int(LONG_S * 1000))

    def _thaw(self) -> None:
        """SIGCONT: zombies go on where they stood. One whose place was taken is fenced; the other has lost all."""
        for service, process in self.frozen:
            process.frozen = False
            self.befallen["a zombie woke up"] += 1
            if service.wanted:
                self.zombies.append(process)
            else:
                service.process, service.wanted = process, True
                self._run(service, 10 * SLICE)
        self.frozen.clear()
        self._run_zombies(10 * SLICE)

    def _run_zombies(self, calls: int) -> None:
        for process in self.zombies:
            self._hand_over(process, partial(process.run, calls))
        self.befallen["a zombie was fenced"] += sum(process.error is not None for process in self.zombies)
        self.zombies = [process for process in self.zombies if not process.ended]

    def _kill(self, processes: list[Process]) -> None:
        for process in processes:
            process.frozen = False
            self._hand_over(process, process.kill)

    def _retain(self, service: Service) -> None:
        """A joiner commits, retention takes what it had read of one side, and it dies: what was pending is gone."""
        process = service.process
        if process is None or not service.running:
            return
        quiet, self.faults.quiet = self.faults.quiet, True
        before = process.calls[self._commit_call]
        self._run(service, 300, lambda: process.calls[self._commit_call] > before)
        if process.calls[self._commit_call] > before and service.running:
            kept = self.broker.groups.of(self.world.config.plan.group("joiner")).offsets
            for place, one in kept.items():
                if place in service.positions() and place.topic in (self.world.topics[0], self.setup.adopted):
                    log = self.broker.logs[place]
                    log.low = max(log.low, checkpoint.decode(split_metadata(one.metadata)[0]).high)
            self._hand_over(process, process.kill)
        self.faults.quiet = quiet

    def _replay(self, which: int, n: int) -> None:
        world, producer = self.on_broker, self.world.production
        self._commit_production(0, 0)
        world.share()
        self.calm(SETTLED_S)
        if any(joiner.finished for joiner in self.joiners):
            return  # bounded, and only markers followed: what is answered again now is of no trial
        back = producer.replay(world.at, world.inputs[which % len(world.inputs)], n)
        world.commit_for(producer, back)
        self.calm(CALM_S)
        producer.answer_again(world.at, back)
        self._commit_production(0, 0)
        world.share()
        self.calm(CALM_S)

    def calm(self, seconds: float) -> None:
        """Nothing befalls anybody for so long, and everybody gets on."""
        quiet, self.faults.quiet = self.faults.quiet, True
        self._thaw()
        end = self.broker.clock.monotonic() + seconds
        for _ in range(TURNS_MAX):
            if self.broker.clock.monotonic() >= end:
                break
            self._supervise(1)
            for service in self.services:
                self._run(service, 2 * SLICE)
            self._run_zombies(2 * SLICE)
            if not any(service.running for service in self.services):
                self.broker.clock.advance(0.1)
        else:
            self.judge.offences.append(f"{seconds} s do not pass within {TURNS_MAX} turns")
        self.faults.quiet = quiet

    def drain(self) -> None:
        for log in self.broker.logs.values():
            log.held = None
        self.faults.quiet = True
        self._thaw()
        self._kill(self.zombies)
        # Whoever has left comes back: the other may have come to its end without what this one had.
        self.joiners[1].wanted = self.joiners[1].starts > 0
        self.calm(SETTLED_S)
        super().drain()

    def turn(self) -> None:
        self.on_broker.written = True
        self.on_broker.share()
        self.calm(CALM_S)
        self._wait(0, 0)

    def _leave(self) -> None:
        """Unbounded, everybody is stopped in order and not started again, the judge last: it is to hear what the others
        say at their end. Bounded, all have come to their end by themselves."""
        for service in [] if self.setup.bounded else self.services:
            service.wanted = False
            if service is self.judge:
                self.calm(CALM_S / 5)
            if service.running:
                service.stop.stop()
        self.calm(CALM_S / 5)
        if self.setup.bounded and any(service.running for service in self.services):
            self.calm(SETTLED_S)  # it has got its tasks only just now, from one that had come to its end

    def _take(self) -> None:
        self.befallen.update({f"died {phase} {call}": n for (phase, call), n in self.faults.deaths.items()})
        self.befallen.update({f"trouble: {what}": n for what, n in self.faults.troubles.items()})
        self.befallen["a partition was paused"] = self.broker.pauses
        self.befallen["processes started"] += sum(service.starts for service in self.services)
        self.on_broker.take()
        plan, logs = self.world.config.plan, self.broker.logs
        for partition in range(self.setup.outputs):
            entries = logs[Partition(plan.of("stats"), partition)].records()
            stats = [own.decode(entry.value or b"")[1] for _, entry in entries]
            rows = [entry for _, entry in logs[Partition(plan.of("diff"), partition)].records()]
            if self.setup.at_least_once:
                stats = first_of_each(stats)
                rows, self.undone = decided_rows(rows, stats, self.undone)
            self.stored.stats += stats
            self.stored.diff[partition] = [own.decode(entry.value or b"")[1] for entry in rows]

    def offences(self) -> Iterator[str]:
        """What went wrong with the processes themselves, and with the judge's word."""
        yield from self.undone
        for service in self.services:
            yield from service.offences
            if service.starts > ENDLESS:
                yield f"{service.role} {service.instance} was started {service.starts} times"
        # Bounded, its trial may have been over before it heard of another revision.
        yield from judge_offences(self.on_broker, self.judge.revision if self.judge.finished else self.world.revision)


def quietly(trial: type[BrokerTrial], history: History) -> Trial:
    """A history, played as such a trial. What the roles log of their many deaths is nothing to read."""
    logger = logging.getLogger("shadowstream")
    before = logger.level
    logger.setLevel(SILENT)
    try:
        return trial(history).play()
    finally:
        logger.setLevel(before)


def played(history: History) -> Trial:
    return quietly(BrokerTrial, history)


def played_at_least_once(history: History) -> Trial:
    """The same without transactions. Copies of the candidate's outputs are left out, since none but a crash makes them;
    and production's replays, whose bounded trials are told the end by markers (see `BrokerWorld.written`). Commits are
    less small, for each takes several calls, and time must not come to its end before they do."""
    inputs = tuple(replace(one, copies=(one.copies[0], -1, one.copies[2])) for one in history.inputs)
    actions = tuple(action for action in history.actions if action.name != "replay")
    setup = replace(history.setup, at_least_once=True, replays=False, maximum=5 * history.setup.maximum)
    return played(History(setup, inputs, actions))


ON_BROKER = Way(played, "sim-loop")
AT_LEAST_ONCE = Way(played_at_least_once, "sim-loop SIM_ARGS=--at-least-once", may_lack=("duplicate_shadow",))
