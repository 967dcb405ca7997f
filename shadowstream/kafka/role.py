"""The contract between the loop and the role that it runs.

The loop calls a role from one thread, in this order. A turn is one pass of the loop; a commit ends many turns.

====================================  ===========================================================================
call                                  when
====================================  ===========================================================================
complete_tasks                        `group.protocol: consumer` only: after each change of the assignment
assigned, accounted_to, restored      partitions have come; before any of their records
records_in_transaction, limit         each turn, before records are fetched
wants_headers, consume                each turn, once for each partition that has records
end                                   the turn in which a partition was read to its present end, after `consume`
tick, ask, restored                   each turn, after all records
records_in_transaction, prepare       a commit begins: by time, by number of records, or before partitions go
committed                             the transaction of the last `prepare` has been committed
dropped                               a transaction was aborted, or partitions come or go; `assigned` follows if any
                                      partition is left
====================================  ===========================================================================

The loop reads `finished` each turn. Between `dropped` and `assigned` the role gets no records.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from shadowstream.joiner.recovery.restore import Committed
from shadowstream.records import Batch, Partition, Prepared

BATCH = 1_000  # default number of records that a role takes in one turn


class Role(Protocol):
    """A pure step with its edge, as the loop sees it. The defaults are for independent partitions without state."""

    finished: bool = False  # Whether the role has committed all of a bounded trial. The loop then ends.
    is_paused: bool = False  # Whether the loop fetches no records for the role: it keeps polling, and nothing is lost.

    def complete_tasks(self, places: Collection[Partition]) -> list[Partition]:
        """Return the partitions of those tasks that have all their partitions among `places`.

        The loop calls this only under `group.protocol: consumer`, after `dropped`; it loads these and pauses the
        others.
        """
        return list(places)

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Take partitions with their committed state, -1 for no offset; return the offset to read each of them from.

        `committed` holds all partitions that the role will have. This may block for as long as the role restores its
        state. Raises `ConfigError` where the committed state and the topics contradict each other, and `BrokerError`.
        """

    def dropped(self) -> None:
        """Forget every partition and all uncommitted work. May be called twice in a row."""

    def restored(self) -> bool:
        """Return whether the state of every partition is as it was at its last commit.

        Called each turn. False may follow True: a pair may wait for its schema. While it is False, the process is not
        ready and a transaction does not bound the number of records in a turn.
        """
        return True

    def limit(self) -> int:
        """Return the largest number of records that the role takes in the next turn. Called each turn."""
        return BATCH

    def accounted_to(self, place: Partition) -> int:
        """Return the offset below which the last commit accounts for every record: re-reading those adds nothing."""
        return 0

    def wants_headers(self, topic: str) -> bool:
        """Return whether batches of this topic need their headers. Reading them costs time for each record."""

    def side_word(self, topic: str) -> str:
        """Return the label of a topic in the metrics of lag: input, production, shadow, twin, scored or labels."""

    def consume(self, batch: Batch, now_ms: int) -> int:
        """Process records of one partition; return the number processed, one at least; the others come again.

        Offsets rise from call to call and may have gaps. Effects are buffered until `prepare`. Raises `RegistryError`
        if a schema is not available now. Nothing of the batch is processed then; the loop offers it again after a
        pause.
        """

    def records_in_transaction(self, new: int) -> int:
        """Return how many records the next transaction accounts for, given the `new` ones since the last commit."""
        return new

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        """Record that a partition was read to its present end `offset`. The call may repeat, and records may follow."""

    def tick(self, now_ms: int) -> None:
        """Do the work that depends on time, each turn, within `TICK_MAX_S`: marks, observations, backpressure."""
        return

    def ask(self) -> None:
        """Call the user's code beside the records of a turn, for about a second; one call may take its whole limit."""
        return

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        """Return the effects of one transaction; no commits if there is nothing to commit.

        It holds all consumed records. Of further effects, such as pairs that became decidable without a new record, it
        holds those of about `limit` records. `committed` or `dropped` follows, or another `prepare` after no commits.
        """

    def committed(self, now_ms: int) -> None:
        """Act on the commit of the last `prepare`: show metrics, publish marks."""
        return

    def deciding(self) -> dict[str, int | None]:
        """Return the topics of the deciding records with their partitions; None stands for the committed partition.

        This and `decided` are called only if the config's delivery needs no transactions.
        """
        return {}

    def decided(self, delivered: Mapping[Partition, Sequence[int]]) -> None:
        """Take the offsets of the last deciding records. Raises `BrokerError` if another process was first."""
        return


class RoleFigures:
    """Figures that a process prints when its role ends: records, commits, time and throughput."""

    def __init__(self, role: str) -> None:
        self._began_s = time.monotonic()
        self._figures: dict[str, Any] = {"role": role, "records": 0, "commits": 0}

    def add(self, **figures: Any) -> None:
        """Set figures by name; `records` and `commits` are 0 until they are set."""
        self._figures |= figures

    def ended(self) -> dict[str, Any]:
        """Return all figures, with wall time since the creation of this object and CPU time of the process."""
        wall_s = time.monotonic() - self._began_s
        speed = {"wall_s": round(wall_s, 2), "records_per_s": round(self._figures["records"] / wall_s)}
        return self._figures | speed | process_seconds()


def process_seconds() -> dict[str, Any]:
    """Return the CPU seconds of this process, as a figure."""
    return {"cpu_s": round(time.process_time(), 2)}
