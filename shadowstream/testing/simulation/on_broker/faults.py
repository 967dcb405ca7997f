"""What befalls the processes, drawn from the seed: death before or after any call, calls that fail, late markers."""

from collections import Counter
from random import Random

from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.processes import Process

COMMITS = ("commit", "begin_transaction", "send_offsets_to_transaction", "commit_transaction", "abort_transaction")
TORN = (("after", "begin_transaction"), ("before", "send_offsets_to_transaction"),
        ("after", "send_offsets_to_transaction"), ("before", "commit_transaction"))  # fmt: skip
UNHEARD = ("after", "commit_transaction")
AT_LEAST_ONCE = (("before", "produce"), ("before", "flush"), ("after", "flush"), ("before", "commit"))
"""As `TORN`, where there are no transactions; and `UNHEARD` is:"""
COMMITTED = ("after", "commit")
DELAYS_MS = (0, 0, 0, 5, 50, 400)
TROUBLES = ("abort", "abort", "unheard", "late")


class Faults:
    """One trial's. `dying` and `failing` are the chances of each call; nothing happens while it is `quiet`."""

    def __init__(self, seed: int, broker: MemoryBroker, *, at_least_once: bool = False) -> None:
        self._torn, self._unheard = (AT_LEAST_ONCE, COMMITTED) if at_least_once else (TORN, UNHEARD)
        self.draw = Random(f"faults of {seed}")
        self.dying = self.draw.choice((0, 0.001, 0.004))
        self.failing = self.draw.choice((0, 0.02, 0.1))
        self.quiet = False
        self.deaths: Counter[tuple[str, str]] = Counter()
        self.troubles: Counter[str] = Counter()
        self._armed: dict[str, tuple[tuple[str, str] | None, int]] = {}
        broker.trouble = self._trouble
        if self.draw.random() < 0.5:
            broker.transactions.delay_ms = lambda where: 0 if self.quiet else self.draw.choice(DELAYS_MS)

    def arm(self, process: Process, name: str) -> None:
        """Let a process die: anywhere soon (crash), within its next transaction (torn), before it hears that it has
        been committed (unheard)."""
        at = {"torn": self.draw.choice(self._torn), "unheard": self._unheard}.get(name)
        self._armed[process.name] = (at, self.draw.randint(1, 40) if at is None else 1)

    def befall(self, process: Process, phase: str, call: str) -> None:
        if self.quiet:
            return
        if self._strikes(process.name, (phase, call)) or self.draw.random() < self.dying:
            self.deaths[phase, call] += 1
            process.die()

    def _strikes(self, name: str, here: tuple[str, str]) -> bool:
        at, left = self._armed.get(name, (None, 0))
        if not left or (at is not None and at != here):
            return False
        self._armed[name] = (at, left - 1)
        return left == 1

    def _trouble(self, call: str) -> str:
        if self.quiet or call not in COMMITS or self.draw.random() >= self.failing:
            return ""
        kind = self.draw.choice(TROUBLES)
        self.troubles[f"{call} {kind}"] += 1
        return kind
