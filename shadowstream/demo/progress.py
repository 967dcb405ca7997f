"""Progress of the demo, from the stats topic."""

from datetime import UTC, datetime

from confluent_kafka import TopicPartition

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.kafka.client.consumers import reading_consumer

PAIRED = ("match", "tolerated", "ignored", "mismatch")


class Follower:
    """A reader of the stats topic. `total` is the expected number of pairs."""

    def __init__(self, config: Config, total: int) -> None:
        self.total, self.pairs = total, 0
        self._config = config
        self._consumer = reading_consumer(config.kafka, config.plan, "demo")
        self._assigned = False
        self._latest_ms = 0

    @property
    def day(self) -> str | None:
        """Date of the newest window seen."""
        return datetime.fromtimestamp(self._latest_ms / 1000, UTC).date().isoformat() if self._latest_ms else None

    def look(self) -> None:
        """Read the records since the last call."""
        topic = self._config.plan.of("stats")
        if not self._assigned:
            metadata = self._consumer.list_topics(timeout=5).topics.get(topic)
            if metadata is None or metadata.error is not None:
                return
            self._consumer.assign([TopicPartition(topic, p, 0) for p in metadata.partitions])
            self._assigned = True
        while messages := self._consumer.consume(1_000, 0.05):
            for message in messages:
                if message.error() is None:
                    self._take(own.decode(message.value() or b"")[1])

    def _take(self, record: dict[str, object]) -> None:
        for window in record["windows"]:  # type: ignore[attr-defined]  # a list of cells, see schemas/stats.avsc
            self.pairs += sum(window["outcomes"].get(name, 0) for name in PAIRED)
            if any(name in window["outcomes"] for name in PAIRED):
                self._latest_ms = max(self._latest_ms, window["start_ms"])

    def close(self) -> None:
        self._consumer.close()
