"""What the loop needs of the role that it runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from shadowstream.joiner.recovery.restore import Committed
from shadowstream.records import Batch, Commit, Place, Write


class Prepared(NamedTuple):
    """One transaction. `behind`: there is more to say, which did not go into it."""

    writes: list[Write]
    commits: list[Commit]
    behind: bool = False


class Role(Protocol):
    """What the loop needs of a role: its step, with the edge that the step must not touch."""

    finished: bool

    def whole(self, places: Collection[Place]) -> list[Place]:
        """Those of these places that can be worked on with no other than these: whole tasks."""
        ...

    def assigned(self, committed: Sequence[Committed]) -> dict[Place, int]:
        """Take partitions; returns the offset to read each from."""
        ...

    def dropped(self) -> None:
        """Forget every partition and everything uncommitted."""
        ...

    def restored(self) -> bool:
        """Whether every partition is live: everything below ``high`` has been read again."""
        ...

    def most(self) -> int:
        """So many records it takes in one turn, at most a batch of the loop."""
        ...

    def high(self, place: Place) -> int:
        """Below this offset a record is read again: by itself it adds nothing to the transaction."""
        ...

    def wants_headers(self, topic: str) -> bool: ...

    def side_word(self, topic: str) -> str:
        """What a topic is to the role: input, production or shadow."""
        ...

    def batch(self, batch: Batch, now_ms: int) -> int:
        """Take a batch; returns how many of its records were taken, one at least: the others come again."""
        ...

    def entered(self, new: int) -> int:
        """How many records the next transaction ends so far; `new` have been read since the last for the first time."""
        ...

    def end(self, place: Place, offset: int, now_ms: int) -> None: ...

    def turn(self, now_ms: int) -> None:
        """Called each turn of the loop: marks, observations."""
        ...

    def prepare(self, now_ms: int, most: int) -> Prepared:
        """One transaction: of what was read everything, of what else may end about so many records at most."""
        ...

    def committed(self, now_ms: int) -> None:
        """The transaction of the last `prepare` has been committed."""
        ...
