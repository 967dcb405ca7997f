"""What the judge says of the topics of its trial: those that have changed, and transactions that are open too long.

Runner and joiner stop where a topic has changed and say why, but the gate asks the judge alone. A transaction that
somebody has left open hides every record behind it, so that nothing more is decided and nobody would know why.
"""

from __future__ import annotations

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
OPEN_FOR_S = 60.0
NAMED_MAX = 3


class OpenTransactions:
    """Partitions whose last stable offset stands below their end.

    >>> one = OpenTransactions()
    >>> one.take({Place("scores", 0): 4}, {Place("scores", 0): 9}, 0.0), one.take({}, {}, 5.0)
    ([], [])
    """

    def __init__(self) -> None:
        self._since: dict[tuple[Partition, int], float] = {}

    def take(self, stable: Mapping[Partition, int], ends: Mapping[Partition, int], at_s: float) -> list[str]:
        """Sentences for those that have stood there for `OPEN_FOR_S`, given both offsets at a time in seconds."""
        now = {(place, offset): at_s for place, offset in stable.items() if offset < ends.get(place, 0)}
        self._since = {gap: self._since.get(gap, since) for gap, since in now.items()}
        return [
            f"a transaction has been open on {place} at offset {offset} for more than {OPEN_FOR_S:.0f} s: nothing "
            "behind it can be read until it ends. See to its producer, or abort it (`kafka-transactions.sh abort`)"
            for (place, offset), since in sorted(self._since.items())
            if at_s - since >= OPEN_FOR_S
        ][:NAMED_MAX]


class JudgedTopics:
    """Looks every `EVERY_S` at the topics that the start mark of the revision names, once there is one."""

    def __init__(self, config: Config, revision: str, client: AdminClient) -> None:
        self._config, self._revision, self._client = config, revision, client
        self._changes: TopicChanges | None = None
        self._open = OpenTransactions()
        self._reasons: list[str] = []
        self._next_at = 0.0

    def look(self, *, now: bool = False) -> list[str]:
        """What to say of them; what was said last where it is not time, but for `now`, or nobody answers."""
        if not now and time.monotonic() < self._next_at:
            return self._reasons
        self._next_at = time.monotonic() + EVERY_S
        try:
            self._reasons = self._looked()
        except BrokerError as error:
            if not error.retriable:
                raise
            log.warning("topics_not_described", error=str(error))
        return self._reasons

    def _looked(self) -> list[str]:
        if self._changes is None:
            known = start_log.read(self._config, "judge.starts").of.get(self._revision)
            if known is None:
                return []
            self._changes = TopicChanges(self._config, self._client, topics_of(known))
        changed = self._changes.look()
        if changed is None:
            return self._reasons
        if changed:
            return [f"{'; '.join(changed)}. {WHAT_TO_DO}"]
        counts = offsets.partition_counts(self._client, sources_of(self._config))
        places = offsets.places(counts)
        stable = offsets.stable_ends(self._client, places)  # first: an end only grows
        return self._open.take(stable, offsets.ends(self._client, places), time.monotonic())
