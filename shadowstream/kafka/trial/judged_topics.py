"""Problems of a trial's topics that the verdict names: changed topics and transactions that stay open.

Runner and joiner stop with a message if a topic changes, but the gate asks only the judge. An open transaction hides
every later record of its partition, so that no further outcome is decided.
"""

import time
from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.trial import start_log
from shadowstream.kafka.trial.topic_admin import sources_of
from shadowstream.kafka.trial.topic_changes import WHAT_TO_DO, TopicChanges, topics_of
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("judge")
EVERY_S = 5.0
CONFINED_EVERY_S = 60.0
OPEN_FOR_S = 60.0
NAMED_MAX = 3


class OpenTransactions:
    """Partitions whose last stable offset is below their end.

    >>> one, scores = OpenTransactions(), Partition("scores", 0)
    >>> one.take({scores: 4}, {scores: 9}, 0.0), one.take({}, {}, 5.0)
    ([], [])
    """

    def __init__(self) -> None:
        self._since: dict[tuple[Partition, int], float] = {}

    def take(self, stable: Mapping[Partition, int], ends: Mapping[Partition, int], at_s: float) -> list[str]:
        """Return a sentence for each that has not moved for `OPEN_FOR_S`, given both offsets at a time in seconds."""
        now = {(place, offset): at_s for place, offset in stable.items() if offset < ends.get(place, 0)}
        self._since = {gap: self._since.get(gap, since) for gap, since in now.items()}
        return [
            f"a transaction has been open on {place} at offset {offset} for more than {OPEN_FOR_S:.0f} s: no later "
            "record can be read until it ends. Restart its producer, or abort it (`kafka-transactions.sh abort`)"
            for (place, offset), since in sorted(self._since.items())
            if at_s - since >= OPEN_FOR_S
        ][:NAMED_MAX]


class JudgedTopics:
    """Check, every `EVERY_S`, of the topics that the start mark of the revision names, once it exists."""

    def __init__(self, config: Config, revision: str, client: AdminClient) -> None:
        self._config, self._revision, self._client = config, revision, client
        self._changes: TopicChanges | None = None
        self._open = OpenTransactions()
        self._reasons: list[str] = []
        self._next_at = self._confined_at = 0.0
        self.confined: list[str] = []
        """How the candidate's process was confined, by the runners' notes."""

    def problems(self, *, now: bool = False) -> list[str]:
        """Return sentences on the topics; the last ones if it is too early and not `now`, or no broker answers."""
        if not now and time.monotonic() < self._next_at:
            return self._reasons
        self._next_at = time.monotonic() + EVERY_S
        try:
            self._reasons = self._checked()
            if now or not self.confined or time.monotonic() >= self._confined_at:
                self._confined_at = time.monotonic() + CONFINED_EVERY_S
                self.confined = start_log.read(self._config, "judge.starts").confined.get(self._revision, [])
        except BrokerError as error:
            if not error.retriable:
                raise
            log.warning("topics_not_described", error=str(error))
        return self._reasons

    def _checked(self) -> list[str]:
        if self._changes is None:
            known = start_log.read(self._config, "judge.starts").of.get(self._revision)
            if known is None:
                return []
            self._changes = TopicChanges(self._config, self._client, topics_of(known))
        changed = self._changes.changes()
        if changed is None:
            return self._reasons
        if changed:
            return [f"{'; '.join(changed)}. {WHAT_TO_DO}"]
        counts = offsets.partition_counts(self._client, sources_of(self._config))
        places = offsets.places(counts)
        stable = offsets.stable_ends(self._client, places)  # first: an end only grows
        return self._open.take(stable, offsets.ends(self._client, places), time.monotonic())
