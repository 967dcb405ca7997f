"""Recovery of the joiner without transactions: its stats records decide commits (docs/decisions/0015)."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.recovery.restore import Committed, check_unknown
from shadowstream.joiner.task import Task
from shadowstream.kafka.at_least_once.decided_commits import NewestCommit, advance, rows_undone, stats_between
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.reading.state_records import newest_states, read_states
from shadowstream.kafka.transaction import FLUSH_S, split_metadata
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("joiner")


class AtLeastOnceRecovery:
    """Decided and undecided commits of one joiner's tasks."""

    def __init__(self, config: Config, client: AdminClient, writer: GuardedWriter) -> None:
        self._config, self._client, self._writer = config, client, writer
        self._newest: dict[str, NewestCommit] = {}
        self._ends: dict[Partition, int] = {}

    def adopt(self, tasks: Sequence[Task], committed: dict[Partition, Committed]) -> dict[str, dict[str, Any]]:
        """Advance commits to the newest decided ones; return states by task. Raises `ConfigError` for a lost one."""
        self._newest = {}
        begins: dict[Partition, int] = {}
        for task in tasks:
            at, points = -1, []
            for place in task.sources.places:
                own, at = split_metadata(committed[place].metadata)
                committed[place] = committed[place]._replace(metadata=own)
                points.append(checkpoint.decode(own).sequence if committed[place].offset >= 0 else 0)
            self._newest[task.name] = NewestCommit(max(points), "")
            stats = self._stats_of(task)
            begins[stats] = min(max(at, 0), begins.get(stats, max(at, 0)))
        lows = offsets.beginnings(self._client, begins)
        self._ends = offsets.ends(self._client, begins)
        known = {name: commit.sequence for name, commit in self._newest.items()}
        begins = {place: max(begin, lows[place]) for place, begin in begins.items()}
        advance(self._newest, stats_between(self._config, begins, self._ends))
        states = self._states(tasks)
        for task in tasks:
            if self._newest[task.name].sequence > known[task.name]:
                log.info("commit_recovered", task=task.name, sequence=self._newest[task.name].sequence)
                for place in task.sources.places:
                    offset, _, metadata = states[task.name]["commits"][str(place)].partition(" ")
                    committed[place] = Committed(place, int(offset), metadata)
        return states

    def _states(self, tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
        partitions = {task.name: task.sources.partition for task in tasks}
        begun = {name: commit for name, commit in self._newest.items() if commit.sequence}
        fresh = {name: partition for name, partition in partitions.items() if name not in begun}
        for name, record in newest_states(self._config, fresh).items():
            check_unknown(name, record["seq"] > 1)
        sequences = {name: commit.sequence for name, commit in begun.items()}
        return read_states(self._config, partitions, sequences, {n: commit.incarnation for n, commit in begun.items()})

    def take_back(self, tasks: Sequence[Task], states: Mapping[str, dict[str, Any]]) -> None:
        """Take back rows of undecided commits, before any other row is written; see `rows_undone`."""
        begins = {}
        for task in tasks:
            counts = states[task.name]["counts"] if task.name in states else {}
            begin = counts.get("diff_from", 0)
            begin = begin if task.late.correctable_from is None else min(begin, task.late.correctable_from)
            begins[task.name] = task.sources.partition, begin
        undone = rows_undone(self._config, self._client, self._newest, begins)
        if undone:
            log.info("rows_taken_back", rows=len(undone))
            self._writer.write(undone)
            self._writer.flush(FLUSH_S)

    def check(self, tasks: Sequence[Task], delivered: Mapping[Partition, Sequence[int]]) -> None:
        """Raise an abortable `BrokerError` if another process wrote the first stats record of a number."""
        for place, written in delivered.items():
            known = self._ends.get(place, 0)
            mine = {task.name: task for task in tasks if self._stats_of(task) == place}
            if written[-1] + 1 - known != len(written):  # another process wrote in between: read its records
                newest = {name: NewestCommit(task.commit.sequence, "-") for name, task in mine.items()}
                advance(newest, stats_between(self._config, {place: known}, {place: written[-1] + 1}))
                lost = sorted(n for n, commit in newest.items() if commit.incarnation != mine[n].sources.incarnation)
                if lost:
                    raise BrokerError(f"another process has committed {', '.join(lost)} first", abortable=True)
            self._ends[place] = written[-1] + 1
        for task in tasks:
            self._newest[task.name] = NewestCommit(task.commit.sequence + 1, task.sources.incarnation)

    def _stats_of(self, task: Task) -> Partition:
        return Partition(self._config.plan.of("stats"), task.sources.partition)
