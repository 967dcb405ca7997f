"""Observations of the broker that the joiner makes each second. The order of its reads makes each observation true.

All ends are high watermarks: a reader's own end may hide records that a transaction has already written.

===========  =====================================================================================================
observation  order, and reason
===========  =====================================================================================================
done         production's commits C, *then* the ends E of its outputs: outputs of inputs below C were acknowledged
             before C was committed, so they lie below E. The same holds for the twin. Inputs that hold production's
             answer are its outputs too: C are their ends, read before E
born         the ends E of every side's outputs, *then* the ends I of the inputs: outputs below E were made from
             inputs below I
diff         the ends of diff before the next commit: its rows will lie at or after them
copied       the runner copies production's outputs if their partitioner is not known. Then C and the ends of the
             *original* outputs are read. Once the runner's group has committed the originals to these ends, the
             ends R of the copies are read: the outputs of inputs below C lie below R
copy times   the commits of copying, with the greatest event time copied of each partition, *then* the ends of the
             copies: copies up to the lowest of these times lie below the ends
             (`joiner.completeness.copied_time`)
===========  =====================================================================================================

Born needs no such translation: a copy below a present end was made from a present output, so from a present input.
"""

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.joiner.completeness.completeness import time_may_decide
from shadowstream.joiner.completeness.copied_time import CopyPosition
from shadowstream.joiner.step import JoinerStep
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.client_log import repeated_later
from shadowstream.kafka.joining.task_partitions import TaskPartitions
from shadowstream.kafka.reading.control_records import GroupCommits
from shadowstream.kafka.reading.event_times import NewestEventTimes
from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger
from shadowstream.records import Partition, Side
from shadowstream.runner.copy_step import copied_to_ms
from shadowstream.thinned_queue import ThinnedQueue

log = get_logger("joiner")
EVERY_S = 1.0
COPYING_MAX = 1_000


class Copying(NamedTuple):
    """Commits of production (`committed` is raised, `stored` is not) whose original outputs lie below `ends`."""

    committed: dict[Partition, int]
    stored: dict[Partition, int]
    ends: dict[Partition, int]


class BrokerObserver:
    """Observer that asks the broker and passes the observations to the step, in the order at the head of this file."""

    def __init__(self, config: Config, step: JoinerStep, client: AdminClient, families: TaskPartitions) -> None:
        self._config, self._step, self._client, self._families = config, step, client, families
        self._inputs = sorted(step.inputs)
        self._sides = [families.places(side) for side in Side]
        self._places = [place for side in self._sides for place in side]
        self._diff = offsets.places(offsets.partition_counts(client, [config.plan.of("diff")]))
        self._copying: ThinnedQueue[Copying] = ThinnedQueue(COPYING_MAX)
        self._by_time = time_may_decide(config)
        self._commits = GroupCommits(config, client, "joiner")
        self._times = NewestEventTimes(config)
        self._every = Throttle(EVERY_S)

    def restart(self) -> None:
        """Observe at the next turn. Pending `copied` observations stay true whatever process reads which partition."""
        self._every.reset()

    def turn(self, now_ms: int) -> None:
        """Observe if it is time. Without this observation the joiner only decides a little later."""
        if self._every.is_due():
            with repeated_later(lambda error: log.warning("observation_delayed", error=error)):
                self._observe(now_ms)

    def _observe(self, now_ms: int) -> None:
        production, twin = self._config.production.group, self._config.twin and self._config.twin.group
        # Commits before any end: see `done` above.
        committed = self._commits.of(production, self._inputs) if production else None
        stored = self._commits.stored(production) if production else {}
        if self._config.production.answer is not None:  # each input below its end holds production's answer
            committed = stored = offsets.ends(self._client, self._inputs)
        by_twin = self._commits.of(twin, self._inputs) if twin else None
        ends = offsets.ends(self._client, [*self._places, *self._diff, *self._families.copied])
        # Inputs after all outputs: see `born` above.
        inputs = offsets.ends(self._client, self._inputs)
        self._commits.look(inputs)
        self._step.observe_diff({place.partition: ends[place] for place in self._diff})
        of_production = _only(ends, self._sides[Side.PRODUCTION])
        self._step.observe_born(_only(ends, self._places), inputs)
        if committed is not None and not self._families.copied:
            self._step.observe_production(committed, of_production, stored)
        elif committed is not None:
            self._copying.append(Copying(committed, stored, _only(ends, self._families.copied)))
            self._observe_copied()
        if by_twin is not None:
            self._step.observe_twin(by_twin, _only(ends, self._sides[Side.TWIN]))
        for (side, _), originals in self._families.originals.items():
            self._observe_copy_times(side, originals, now_ms)
        self._observe_times(ends, now_ms)

    def _observe_copied(self) -> None:
        """Translate production's progress to the copies of its outputs, as far as these are committed."""
        copied = offsets.committed(self._client, self._config.plan.group("runner"), self._families.copied)
        ripe = []
        while self._copying and all(copied.get(p, -1) >= end for p, end in self._copying[0].ends.items()):
            ripe.append(self._copying.popleft())
        if ripe:
            # For topics that are not copied, any later end holds as well.
            ends = offsets.ends(self._client, self._sides[Side.PRODUCTION])
            for one in ripe:
                self._step.observe_production(one.committed, ends, one.stored)

    def _observe_copy_times(self, side: Side, originals: list[Partition], now_ms: int) -> None:
        ends = offsets.ends(self._client, originals)
        self._step.observe_originals(ends, self._times.of(ends, self._step.limit_ms(now_ms)), now_ms)
        commits = offsets.commits(self._client, self._config.plan.group("runner"), originals)
        copied = {place: CopyPosition(offset, copied_to_ms(metadata)) for place, (offset, metadata) in commits.items()}
        if len(copied) == len(originals):
            self._step.observe_copied(side, copied, offsets.ends(self._client, self._sides[side]), now_ms)

    def _observe_times(self, ends: dict[Partition, int], now_ms: int) -> None:
        """Observe ends, and newest event times if time may decide pending records or some task may be idle."""
        outputs = _only(ends, self._places)
        waits = self._by_time and any(records for records, _, _ in self._step.sides().values())
        # An idle task takes the time of the other partitions.
        is_idle = any(task.commit.is_idle(now_ms) for task in self._step.tasks.values())
        others = len(self._sides[Side.PRODUCTION]) > 1 and is_idle
        times = self._times.of(outputs, self._step.limit_ms(now_ms)) if waits or others else {}
        self._step.observe_times(outputs, times, now_ms)


def _only(ends: dict[Partition, int], places: Iterable[Partition]) -> dict[Partition, int]:
    return {place: ends[place] for place in places}
