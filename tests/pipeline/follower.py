"""A topic of ours, followed: only what is new is read, by one client."""

from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, TopicPartition

from shadowstream.codecs import own


class Follower:
    """New records of a topic of ours, whenever it is asked; none while there is no such topic."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "tests-following",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
                "fetch.queue.backoff.ms": 10,
            }
        )
        self._assigned = False
        self.read = 0
        """The number of records read so far."""

    def new(self) -> list[dict[str, Any]]:
        if not self._assigned:
            found = self._consumer.list_topics(self._topic, timeout=10).topics[self._topic]
            if found.error is not None:
                return []
            self._consumer.assign([TopicPartition(self._topic, partition, 0) for partition in found.partitions])
            self._assigned = True
        taken = []
        for message in self._consumer.consume(5_000, 0.01):
            error = message.error()
            assert error is None or error.code() == KafkaError._PARTITION_EOF, error
            if error is None:
                taken.append(own.decode(message.value() or b"")[1])
        self.read += len(taken)
        return taken

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._consumer.close()
