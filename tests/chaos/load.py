"""The load: orders written in transactions, some of them aborted, and a production that answers them in transactions.

Both live through whatever befalls the broker. What an ended transaction has become is known or is said to be unknown:
that is then settled by what can be read, all of it or nothing (`Orders.unknown`).
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from tests.chaos import orders
from tests.pipeline.trial_fixture import PARTITIONS, Trial, once_coordinated

_silent = logging.getLogger("tests.chaos.load")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False
"""What the client says of a broker that is away is what is meant to happen."""

TURN_S = 0.5
ABORTED_SHARE = 0.15
CALL_S = 30.0
PHANTOM = b"phantom-%d"
"""Keys that are written in aborted transactions only."""


class Transactions:
    """A transactional producer that is made anew whenever the client says that it cannot go on."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._settings = {
            "bootstrap.servers": bootstrap,
            "transactional.id": name,
            "transaction.timeout.ms": 10_000,
            "linger.ms": 5,
        }
        self.renew()

    def renew(self) -> None:
        """Fence the producer before, and wait until what it had begun is over."""
        self.producer = Producer(self._settings, logger=_silent)
        self._insist(lambda: self.producer.init_transactions(CALL_S))

    def commit(self) -> bool | None:
        """Whether the transaction that is open holds now; None where nobody can say."""
        try:
            self._insist(lambda: self.producer.commit_transaction(CALL_S))
        except KafkaException as error:
            cause = error.args[0]
            if cause.txn_requires_abort():
                self.abort()
                return False
            self.renew()
            return None
        return True

    def abort(self) -> None:
        try:
            self._insist(lambda: self.producer.abort_transaction(CALL_S))
        except KafkaException:
            self.renew()

    @staticmethod
    def _insist(call: Callable[[], object], limit_s: float = 180.0) -> None:
        deadline = time.monotonic() + limit_s
        while True:
            try:
                call()
                return
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


class Load(threading.Thread):
    """Works until it is to end; `failure` is what has ended it else."""

    def __init__(self, name: str, trial: Trial, to: str, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self._trial, self._to, self._chance = trial, to, random.Random(seed)
        self._end = threading.Event()
        self.aborts = 0
        self.failure: BaseException | None = None

    def end(self) -> None:
        """Write no more."""
        self._end.set()
        self.join(240)
        assert not self.is_alive(), f"{self.name} does not end"

    def run(self) -> None:
        try:
            while not self._end.is_set():
                self._work()
        except BaseException as error:  # noqa: BLE001 - whatever ended the load is told by whoever waits for it
            self.failure = error

    def _work(self) -> None:
        raise NotImplementedError


class Orders(Load):
    """Writes orders, `per_s` of them each second; the truth is `committed` and, where nobody can say, `unknown`."""

    def __init__(self, trial: Trial, to: str, per_s: int, seed: int) -> None:
        super().__init__("orders", trial, to, seed)
        self._per_s = per_s
        self.committed: list[range] = []
        self.unknown: list[range] = []

    @property
    def next(self) -> int:
        """Number of the next order."""
        return max((some.stop for some in (*self.committed[-1:], *self.unknown[-1:])), default=0)

    def _work(self) -> None:
        transactions = Transactions(self._to, f"{self._trial.name}-orders")
        due = time.monotonic()
        while not self._end.is_set():
            some = range(self.next, self.next + max(1, round(self._per_s * TURN_S)))
            if self._chance.random() < ABORTED_SHARE and self._begin(transactions, some, phantoms=True):
                transactions.producer.flush(CALL_S)  # else nothing of it would ever reach the topic
                transactions.abort()
                self.aborts += 1
            if self._begin(transactions, some, phantoms=False):
                held = transactions.commit()
                if held is not False:
                    (self.committed if held else self.unknown).append(some)
            due = max(due + TURN_S, time.monotonic() - 1.0)  # what an outage has kept from us is not made up for
            self._end.wait(max(0.0, due - time.monotonic()))

    def _begin(self, transactions: Transactions, some: range, *, phantoms: bool) -> bool:
        """Put orders, and where the transaction is to be aborted keys that nobody may ever see, into a new one."""
        producer, topic = transactions.producer, self._trial.input
        try:
            producer.begin_transaction()
            for n in some:
                at = {"partition": n % PARTITIONS, "timestamp": orders.time_ms(n)}
                producer.produce(topic, orders.asked(n), orders.key(n), **at)
                if phantoms:
                    producer.produce(topic, orders.asked(n), PHANTOM % n, **at)
        except KafkaException:
            transactions.renew()
            return False
        return True


class Production(Load):
    """Answers orders exactly once, with aborts and pauses of its own; commits in its group with what it writes."""

    position: dict[int, int]

    def _work(self) -> None:
        """From what is committed until the end is asked for or something breaks."""
        transactions = Transactions(self._to, f"{self._trial.name}-production")
        consumer = Consumer(
            {
                "bootstrap.servers": self._to,
                "group.id": self._trial.group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "fetch.queue.backoff.ms": 20,
                "log_level": 0,
            }
        )
        try:
            self._rewind(consumer)
            while not self._end.is_set():
                if self._chance.random() < 0.002:
                    self._end.wait(self._chance.uniform(0.5, 4.0))  # so that the candidate is ahead at times
                messages = [one for one in consumer.consume(200, 0.1) if one.error() is None]
                if messages and not self._answer(transactions, consumer, messages):
                    self._rewind(consumer)
        except KafkaException:
            self._end.wait(0.5)  # a broker that is away; all anew
        finally:
            consumer.close()

    def _rewind(self, consumer: Consumer) -> None:
        """Go on from what is committed."""
        places = [TopicPartition(self._trial.input, partition) for partition in range(PARTITIONS)]
        found = once_coordinated(lambda: consumer.committed(places, CALL_S), CALL_S)
        self.position = {one.partition: max(one.offset, 0) for one in found}
        consumer.assign([TopicPartition(self._trial.input, one, offset) for one, offset in self.position.items()])

    def _answer(self, transactions: Transactions, consumer: Consumer, messages: list[Message]) -> bool:
        """Answer in one transaction; False where nothing of it holds or nobody can say: then all is read anew."""
        producer = transactions.producer
        aborted = self._chance.random() < ABORTED_SHARE
        position = dict(self.position)
        producer.begin_transaction()
        for message in messages:
            self._write(producer, message, phantom=aborted)
            position[message.partition()] = message.offset() + 1
        if aborted:
            producer.flush(CALL_S)
            transactions.abort()
            self.aborts += 1
            return False
        ends = [TopicPartition(self._trial.input, partition, offset) for partition, offset in position.items()]
        try:
            producer.send_offsets_to_transaction(ends, consumer.consumer_group_metadata(), CALL_S)
        except KafkaException:
            transactions.renew()
            return False
        if not transactions.commit():
            return False
        self.position = position
        return True

    def _write(self, producer: Producer, message: Message, *, phantom: bool) -> None:
        n = orders.number(message.key())
        at = {"partition": message.partition(), "timestamp": message.timestamp()[1]}
        for value in orders.answered(n):
            producer.produce(self._trial.output, value, message.key(), **at)
        if phantom:
            producer.produce(self._trial.output, b'{"id": "phantom"}', PHANTOM % n, **at)
