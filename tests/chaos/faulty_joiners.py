"""Joiners that are wrong on purpose, to prove that the checker sees what it is there to see.

Their outcomes and their offsets are in two transactions instead of one. `offsets-first` commits before it produces: who
dies in between has lost the outcomes. `outcomes-first` produces before it commits: who dies in between says them again.
The state record goes with the offsets in both, or the next process would refuse to start and nothing would be wrong.
A commit without rows has nothing to lose or to say again: in such a one nobody dies in between.
"""

from confluent_kafka import TopicPartition

from shadowstream.kafka.loop import TRANSACTION_WAIT_S, Loop
from shadowstream.records import Commit, Write

KINDS = ("offsets-first", "outcomes-first")


def commit_apart(kind: str) -> None:
    """Make the loop of this process wrong; the phase between its two transactions is `offsets_sent`."""

    def transaction(self: Loop, writes: list[Write], commits: list[Commit]) -> None:
        producer, reached = self._writer.producer, self._watch.reached
        kept = [write for write in writes if write.topic.endswith(".state")]
        written = [write for write in writes if write not in kept]

        def offsets() -> None:
            producer.begin_transaction()
            self._writer.write(kept)
            ends = [TopicPartition(one.place.topic, one.place.partition, one.offset, one.metadata) for one in commits]
            producer.send_offsets_to_transaction(ends, self._consumer.consumer_group_metadata(), TRANSACTION_WAIT_S)
            producer.commit_transaction(TRANSACTION_WAIT_S)

        def outcomes() -> None:
            producer.begin_transaction()
            self._writer.write(written)
            producer.commit_transaction(TRANSACTION_WAIT_S)

        first, second = (offsets, outcomes) if kind == "offsets-first" else (outcomes, offsets)
        first()
        if any(write.topic.endswith(".diff") for write in written):
            reached("offsets_sent")
        second()
        reached("committed")

    Loop._transaction = transaction  # type: ignore[method-assign]  # that is the sabotage
