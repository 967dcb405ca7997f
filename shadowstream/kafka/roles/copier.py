"""Role that copies both sides, if the candidate is an external job and its topic does not fit production's.

It copies exactly once: in the runner's group, with the loop of runner and joiner. The publisher of marks is called each
second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka.client.consumers import Stoppable, group_consumer, transactional_writer
from shadowstream.kafka.loop import Loop
from shadowstream.kafka.role import PlainRole, Prepared
from shadowstream.kafka.roles.copy_progress import Copies
from shadowstream.kafka.transaction import start_transactions
from shadowstream.records import Batch, Partition

EVERY_S = 1.0


class CopyingRole(PlainRole):
    """A role that copies, and calls `each_second` with the wall time in ms."""

    def __init__(self, copies: Copies, each_second: Callable[[int], None], watch: RoleHealth) -> None:
        self._copies, self._each_second, self.watch = copies, each_second, watch
        self._next_at = 0.0
        self.topics = copies.topics

    def wants_headers(self, topic: str) -> bool:
        """Return True: a copy has all headers of its original."""
        return True

    def side_word(self, topic: str) -> str:
        """Return production or shadow."""
        return self._copies.step.routes[topic].side.word

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Continue from the committed offsets."""
        return {one.place: self._copies.begin(one) for one in committed}

    def dropped(self) -> None:
        """Forget every partition."""
        self._copies.step.drop()

    def consume(self, batch: Batch, now_ms: int) -> int:
        """Copy a batch."""
        self._copies.step.copy(batch, now_ms)
        return len(batch)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        """Note that a partition was read to its end."""
        self._copies.step.end(place, offset)

    def tick(self, now_ms: int) -> None:
        """Call `each_second` if a second has passed."""
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + EVERY_S
            self._each_second(now_ms)

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        """Return all copies since the last commit."""
        return Prepared(*self._copies.step.prepare())

    def committed(self, now_ms: int) -> None:
        """Show metrics of the committed copies."""
        self._copies.committed(self.watch)


def copy(config: Config, role: CopyingRole, client: AdminClient, stop: Stoppable, instance: str) -> None:
    """Copy until stopped."""
    writer = transactional_writer(config, "runner", instance)
    start_transactions(writer, role.watch)
    Loop(config, role, group_consumer(config, "runner", instance), writer, client, role.watch).run(role.topics, stop)
