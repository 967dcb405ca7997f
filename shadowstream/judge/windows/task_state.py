"""State of one task as the judge knows it."""

from dataclasses import dataclass, field

from shadowstream.judge.windows.sequence_numbers import Sequence

NEVER = -(2**63)


@dataclass(slots=True)
class Task:
    """State of one task.

    `numbers`: numbers of the accepted records. `ledgers`: expected and counted records by (ledger, place).
    `refused_marks`: marks that its joiner refused. `ahead`: records dated too far ahead of its joiner's clock.
    """

    numbers: Sequence = field(default_factory=Sequence)
    watermark_ms: int = NEVER
    idle: bool = False
    complete: bool = False
    pending: int = 0
    refused_marks: int = 0
    ahead: int = 0
    ledgers: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)

    @property
    def seq(self) -> int:
        """The greatest accepted sequence number, 0 for none."""
        return self.numbers.last
