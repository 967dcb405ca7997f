"""Labels role: it matches scored pairs with labels, and keeps waiting ones on disk and in labels-state.

A trial has one process of this role, like the judge; a later one takes over. One process must read all partitions: a
label may be in another partition than its pair, since the producer of labels chose it.

Each commit writes the entries that began or ceased to wait to labels-state, in the transaction of its offsets. The
commit's number is in the metadata of these. The disk store commits after that; a restart uses it only if it has the
same number.
"""

import contextlib
import time
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, get_args

from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config, Labels
from shadowstream.errors import BrokerError, ConfigError, RecordError
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.judge.windows.expected_tasks import joined_tasks
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import Stoppable, admin, group_consumer, transactional_writer
from shadowstream.kafka.client.traffic import TrafficMeter
from shadowstream.kafka.doctor import start_check
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.loop import Loop
from shadowstream.kafka.reading.topic_reader import TopicRecord, stream_topic
from shadowstream.kafka.refused_records import FURTHER, Refusals, usable
from shadowstream.kafka.role import Role, RoleFigures
from shadowstream.kafka.roles.label_store import LabelStore, path_of
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.transaction import start_transactions
from shadowstream.kafka.trial import bound_topics, hash_key
from shadowstream.labels.step import LabelStep
from shadowstream.labels.store import Kind, WaitingEntry
from shadowstream.logs import get_logger
from shadowstream.paths import parse_one
from shadowstream.protocol.join_id import text_id
from shadowstream.protocol.scored_value import at_path
from shadowstream.records import Batch, Commit, Partition, Prepared

log = get_logger("labels")
READ_TIMEOUT_S = 30.0
SETTLE_S = 30.0
SINGLE_INSTANCE = "0"


class Clients(NamedTuple):
    """The role's store, its admin client, the names of the joiner's tasks, and the caller of functions of losses."""

    store: LabelStore
    admin: AdminClient
    tasks: set[str]
    hooks: HookProcess


class LabelsRole(Role):
    """Step of labels between the loop and the broker."""

    def __init__(self, config: Config, labels: Labels, revision: str, clients: Clients, watch: RoleHealth) -> None:
        self._config, self._labels, self._revision, self._watch = config, labels, revision, watch
        self._store, self._client, self._tasks, self._hooks = clients
        names = config.compare.duplicate_names
        schemas, bounds = schema_source(config.schemas), decoded_bounds(config)
        self._decoder = Decoder(schemas, config.schemas.formats, bounds, names=names).of(labels.topic)
        self._path = parse_one(labels.label_path or labels.path)
        self._redactor = Redactor.of(config)
        self._id_path = None if labels.id == "key" else parse_one(labels.id)
        self._places = offsets.places(offsets.partition_counts(clients.admin, [config.plan.of("scored"), labels.topic]))
        self._positions: dict[Partition, int] = {}
        self._at_end: set[Partition] = set()
        self._step: LabelStep | None = None
        self.unreadable = 0
        self._refusals = Refusals()
        self.rebuilt = 0

    def wants_headers(self, topic: str) -> bool:
        formats = self._config.schemas.formats
        return topic in formats and formats[topic].header

    def side_word(self, topic: str) -> str:
        return "labels" if topic == self._labels.topic else "scored"

    def complete_tasks(self, places: Collection[Partition]) -> list[Partition]:
        """Return all partitions of both topics, or none: the role is one process."""
        return list(places) if set(self._places) <= set(places) else []

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Take every partition of both topics, and restore the entries that waited at the last commit."""
        by_place = {one.place: one for one in committed}
        missing = [place for place in self._places if place not in by_place]
        if missing:
            raise BrokerError(
                f"{', '.join(map(str, missing[:3]))} went to another process of the labels role: a trial has only one; "
                "stop the other",
                fatal=True,
            )
        sequence = max((int(one.metadata or 0) for one in committed if one.offset >= 0), default=0)
        counts = self._restore(sequence)
        self._step = LabelStep(self._config, self._revision, self._store, self._tasks, self._hooks.load)
        self._step.restore(sequence, counts)
        self._step.clock.unread = frozenset(self._places)
        begin = offsets.beginnings(self._client, by_place)
        self._positions = {place: max(one.offset, begin[place]) for place, one in by_place.items()}
        self._at_end.clear()
        log.info("restored", sequence=sequence, rebuilt=self.rebuilt)
        return dict(self._positions)

    def _restore(self, sequence: int) -> dict[str, dict[str, int]]:
        self._store.forget()
        if sequence == 0:
            self._store.rebuild([], 0)
            return {}
        deadline = time.monotonic() + SETTLE_S
        while True:
            topic, last = self._config.plan.of("labels-state"), dict[bytes, TopicRecord]()
            for row in stream_topic(self._config.kafka, topic, READ_TIMEOUT_S):
                last[row.key or b""] = row
            records = [one.record for one in usable(last.values(), topic, "label_state")]
            # The markers of one transaction arrive at different times: wait for those of the last commit.
            if max((record["sequence"] for record in records), default=0) >= sequence:
                break
            if time.monotonic() > deadline:
                raise BrokerError(f"labels-state does not hold commit {sequence}; was the topic deleted?", fatal=True)
            time.sleep(0.2)
        if self._store.sequence != sequence:
            waiting = [(one["kind"], _waiting(one)) for one in records if one["kind"] in get_args(Kind)]
            self._store.rebuild(waiting, sequence)
            self.rebuilt += 1
            log.warning("store_rebuilt", waiting=len(waiting), sequence=sequence)
        return {one["id"].decode("utf-8", "replace"): one["counts"] for one in records if one["kind"] == "task"}

    def dropped(self) -> None:
        self._store.forget()
        self._positions.clear()
        self._step = None

    def restored(self) -> bool:
        return self._step is not None

    def tick(self, now_ms: int) -> None:
        self._hooks.turn()

    def consume(self, batch: Batch, now_ms: int) -> int:
        step = self._step
        if step is None:
            return len(batch)
        self._positions[batch.place] = batch.offsets[-1] + 1
        self._at_end.discard(batch.place)
        if batch.place.topic == self._labels.topic:
            self._take_labels(step, batch, now_ms)
        else:
            for value in batch.values:
                self._take_scored(step, value, batch.place, now_ms)
        step.clock.unread = frozenset(self._places) - self._at_end
        return len(batch)

    def _take_scored(self, step: LabelStep, value: bytes | None, place: Partition, now_ms: int) -> None:
        try:
            record = own.read("scored", value)
        except RecordError as error:
            self.unreadable += 1
            if self._refusals.is_first(error):
                log.error("scored_unreadable", place=str(place), error=str(error), further=FURTHER)
            return
        step.scored(record, now_ms)

    def _take_labels(self, step: LabelStep, batch: Batch, now_ms: int) -> None:
        if batch.lost is not None:
            self.unreadable += len(batch)
            log.warning("label_unreadable", place=str(batch.place), error=batch.lost)
            return
        values = self._decoder.decode_many(batch.values, batch.headers)
        for key, value, time_ms in zip(batch.keys, values, batch.times_ms, strict=True):
            if isinstance(value, RecordError):
                self.unreadable += 1
                log.warning("label_unreadable", place=str(batch.place), error=self._redactor.reason(str(value)))
                continue
            id_ = key if self._id_path is None else text_id(value, self._id_path)
            truth = at_path(value, self._path)
            truth = self._redactor.answer(truth) if self._config.hides_answers else truth
            step.label(batch.place, self._redactor.key(id_), truth, time_ms, now_ms)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        self._positions[place] = max(offset, self._positions.get(place, 0))
        self._at_end.add(place)
        if self._step is not None:
            self._step.clock.unread = frozenset(self._places) - self._at_end

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        if self._step is None or not (writes := self._step.prepare()):
            return Prepared([], [])
        metadata = str(self._step.sequence + 1)
        return Prepared(writes, [Commit(place, offset, metadata) for place, offset in sorted(self._positions.items())])

    def committed(self, now_ms: int) -> None:
        if self._step is not None:
            for outcome, pairs in self._step.ended_counts.items():
                self._watch.metrics.add("records_total", pairs, role="labels", side="scored", outcome=outcome)
            self._watch.metrics.set("pending_records", self._step.waiting, side="scored")
            self._step.committed()
            self._store.commit(self._step.sequence)
            self.finished = self._step.finished


def _waiting(record: dict[str, Any]) -> WaitingEntry:
    return WaitingEntry(*(record[name] for name in WaitingEntry._fields))._replace(parts=tuple(record["parts"]))


def run(config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0") -> dict[str, Any]:
    """Run the labels role to its end or stop; return its figures. Raises `ConfigError` without `labels`."""
    labels = config.labels
    if labels is None:
        raise ConfigError("labels: the config has none; name the topic of labels there, or leave this role out")
    figures, client = RoleFigures("labels"), admin(config.kafka)
    bound_topics.check(config, client)
    counts = start_check.ensure_topics(client, config, "labels")
    config = hash_key.keyed(config, client)
    writer = transactional_writer(config, "labels", SINGLE_INSTANCE)
    start_transactions(writer, watch)
    store = LabelStore(path_of(config, instance), given=labels.store_dir is not None)
    with contextlib.closing(store), contextlib.closing(HookProcess(config)) as hooks:
        clients = Clients(store, client, joined_tasks(config, counts), hooks)
        role = LabelsRole(config, labels, revision, clients, watch)
        consumer = group_consumer(config, "labels", SINGLE_INSTANCE, **TrafficMeter(watch).settings())
        loop = Loop(config, role, consumer, writer, client, watch)
        loop.run([config.plan.of("scored"), labels.topic], stop)
    figures.add(records=loop.records, commits=loop.commits, unreadable=role.unreadable, rebuilt=role.rebuilt)
    return figures.ended()
