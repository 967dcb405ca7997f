"""Pairs of a trial with differences that a test plants."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from shadowstream.config import Compare
from shadowstream.suggest.copies import marks_of
from shadowstream.suggest.evidence import Evidence, ReadPair
from shadowstream.suggest.proposals import FieldProposals, Proposal

BEGIN_MS = 1_790_000_000_000
PAIRS = 120
NOTHING = marks_of({"amount": 1}, [], BEGIN_MS - 86_400_000)
"""An input that holds nothing of the outputs."""
Value = Callable[[Random, int], Any]
Answer = Callable[[Any, Random, int], Any]


def iso(time_ms: float) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()


def uuid(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128)))


def time_of(n: int) -> int:
    """Event time of the n-th pair; its records are 300 and 400 ms later."""
    return BEGIN_MS + 10_000 * n


def read_pair(n: int, production: Any, candidate: Any) -> ReadPair:
    time_ms = time_of(n)
    return ReadPair(f"out/0/{n}", production, candidate, True, time_ms, time_ms + 300, time_ms + 400, input=NOTHING)


def pairs_of(value: Value, answer: Answer, every: int = 1, seed: int = 1, pairs: int = PAIRS) -> list[ReadPair]:
    """Pairs with a field that differs in each `every`-th, and with one that differs in none."""
    dice = Random(seed)
    found = []
    for n in range(pairs):
        given = value(dice, n)
        shadow = answer(given, dice, n) if n % every == 0 else given
        found.append(read_pair(n, {"id": n, "field": given}, {"id": n, "field": shadow}))
    return found


def proposals(
    pairs: list[ReadPair], settings: Mapping[str, Any] | None = None, compared: int | None = None
) -> list[Proposal]:
    """What is proposed where these are all pairs of a trial, or all that differ of `compared`."""
    compare = Compare.model_validate(settings or {})
    evidence = Evidence(pairs, len(pairs), compared or len(pairs))
    return FieldProposals(evidence, compare, lambda *_: True).all()
