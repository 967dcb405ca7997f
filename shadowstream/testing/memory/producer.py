"""A producer in the shape of confluent_kafka's, with or without transactions. Records reach the broker at once."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError, KafkaException, Message, TopicPartition

from shadowstream.records import Partition
from shadowstream.testing.memory import failures
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.consumer import place_of
from shadowstream.testing.memory.groups import METADATA_MAX, CommittedOffset, Membership
from shadowstream.testing.memory.hosts import Host, client_call, wait_until
from shadowstream.testing.memory.log import Entry

FOR_EVER_S = 300.0
Delivered = Callable[[KafkaError | None, Message], None]


class MemoryProducer:
    """Writes; see confluent_kafka.Producer for each method."""

    def __init__(self, broker: MemoryBroker, host: Host, config: dict[str, Any]) -> None:
        self.broker, self.host = broker, host
        self._transactions: Any = broker.transactions
        self._id: str | None = config.get("transactional.id")
        self._timeout_ms = int(config.get("transaction.timeout.ms", 60_000))
        self._waits = config.get("acks") == "all"
        self._epoch = -1
        self._begun = False
        self._decided = False
        self._abortable: KafkaException | None = None
        self._fatal: KafkaException | None = None
        self._reports: list[tuple[Delivered, KafkaError | None, Message]] = []

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: Delivered | None = None,
        timestamp: int = 0,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:
        """Write a record. A process that waits for its reports may die between two of its writes."""
        if self._waits:
            self.host.before("produce")
        if self._fatal is not None:
            raise self._fatal
        if self._id is not None and not self._begun:
            raise failures.state()
        count = self.broker.counts.get(topic, 0)
        if partition < 0 and count:
            partition = zlib.crc32(key or b"") % count
        time_ms = timestamp or self.broker.clock.now_ms
        entry = Entry(key, value, time_ms, [*headers] if headers else None)
        error, place = None, Partition(topic, partition)
        if place not in self.broker.logs:
            error = KafkaError(KafkaError._UNKNOWN_TOPIC if not count else KafkaError._UNKNOWN_PARTITION)
        offset = -1 if error is not None else self._write(place, entry)
        if on_delivery is not None:
            made = (topic, partition, offset, key, value, None, error, (TIMESTAMP_CREATE_TIME, time_ms))
            self._reports.append((on_delivery, error, Message(*made)))
        if error is not None and self._id is not None:
            self._abortable = failures.failure(error.code(), error.str(), txn_requires_abort=True)

    def _write(self, place: Partition, entry: Entry) -> int:
        if self._id is None:
            return self.broker.logs[place].append(entry)
        if self._abortable is None:
            self._ready()
            if not self._transactions.add(self._id, self._epoch, place, entry):
                self._fatal = failures.fenced()
        return -1

    def _ready(self) -> None:
        """Wait until all markers of the last transaction have landed; before, the broker accepts no new one."""
        wait_until(self.host, lambda: self._transactions.is_settled(self._id), FOR_EVER_S)

    @client_call
    def poll(self, timeout: float = FOR_EVER_S) -> int:
        reports, self._reports = self._reports, []
        for tell, error, message in reports:
            tell(error, message)
        return len(reports)

    @client_call
    def flush(self, timeout: float = FOR_EVER_S) -> int:
        """Serve all delivery reports; return 0, the number of records left."""
        MemoryProducer.poll.__wrapped__(self, 0)  # type: ignore[attr-defined]  # functools.wraps
        return 0

    def __len__(self) -> int:
        return len(self._reports)

    @client_call
    def init_transactions(self, timeout: float = FOR_EVER_S) -> None:
        """Fence predecessors, and wait for their open transactions."""
        if self._id is None:
            raise failures.failure(KafkaError._NOT_CONFIGURED, "The Transactional API requires transactional.id")
        _, self._epoch = self._transactions.begin_epoch(self._id, self._timeout_ms)
        if not wait_until(self.host, lambda: self._transactions.is_settled(self._id), timeout):
            raise failures.failure(KafkaError._TIMED_OUT, "Local: Timed out", retriable=True)
        self._begun = False

    @client_call
    def begin_transaction(self) -> None:
        """Begin; the broker learns of it with the first record or offset."""
        self._check(begun=False)
        self._begun = True

    @client_call
    def send_offsets_to_transaction(
        self, offsets: list[TopicPartition], group_metadata: Membership, timeout: float = FOR_EVER_S
    ) -> None:
        """Add offsets to the transaction, if the group still accepts this member."""
        self._check()
        if not offsets:
            return
        unheard = self._trouble("send_offsets_to_transaction")
        group = self.broker.groups.of(group_metadata.group)
        refusal = group.refusal(group_metadata)
        if refusal is not None:
            raise self._must_abort(refusal, "Failed to commit offsets to transaction")
        if any(len((one.metadata or "").encode()) > METADATA_MAX for one in offsets):
            raise self._must_abort(KafkaError.OFFSET_METADATA_TOO_LARGE, "Failed to commit offsets to transaction")
        self._ready()
        kept = {place_of(one): CommittedOffset(one.offset, one.metadata or "") for one in offsets}
        if not self._transactions.add_offsets(self._id, self._epoch, group_metadata.group, kept):
            raise self._fence()
        if unheard is not None:
            raise unheard

    @client_call
    def commit_transaction(self, timeout: float = FOR_EVER_S) -> None:
        """Commit. A repeated call, after a lost answer, finds it decided."""
        self._check()
        if not self._decided:
            unheard = self._trouble("commit_transaction")
            self._end(commit=True)
            if unheard is not None:
                self._begun = self._decided = True
                raise unheard
        self._begun = self._decided = False

    @client_call
    def abort_transaction(self, timeout: float = FOR_EVER_S) -> None:
        if self._fatal is not None:
            raise self._fatal
        if not self._begun:
            raise failures.state()
        unheard = self._trouble("abort_transaction")
        self._abortable = None
        self._end(commit=False)
        if unheard is not None:
            raise unheard

    def _trouble(self, call: str) -> KafkaException | None:
        """Raise where the call is not done; return the error to raise where it is done and its answer lost."""
        kind = self.broker.trouble(call)
        if kind == "abort":
            raise self._must_abort(KafkaError.TRANSACTION_ABORTABLE, call)
        error = failures.failure(KafkaError._TIMED_OUT, f"{call}: Local: Timed out", retriable=True)
        if kind == "unheard":
            raise error
        return error if kind == "late" else None

    def _end(self, *, commit: bool) -> None:
        if not self._transactions.end(self._id, self._epoch, commit=commit):
            raise self._fence()
        self._begun = False

    def _check(self, *, begun: bool = True) -> None:
        for error in (self._fatal, self._abortable):
            if error is not None:
                raise error
        if self._id is None or self._begun is not begun or self._epoch < 0:
            raise failures.state()

    def _must_abort(self, code: int, reason: str) -> KafkaException:
        self._abortable = failures.failure(code, f"{reason}: {KafkaError(code).str()}", txn_requires_abort=True)
        return self._abortable

    def _fence(self) -> KafkaException:
        self._fatal = failures.fenced()
        return self._fatal
