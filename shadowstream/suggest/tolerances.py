"""The smallest round bound under which two sides' numbers agree, where a field's differences are noise.

Differences are noise if a bound explains them and still tells the values of different records apart (`couples.blind`),
if neither side is the greater one in most pairs, and if they do not follow production's numbers: a flipped sign, a
factor or a bound on the numbers does. A one-sided difference is noise only if it is far smaller than all that the field
tells, and not always the same, as where one side cuts digits. Where a few differences are far greater than the rest,
the bound explains the rest: the few stay differences.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from statistics import correlation
from typing import Any, NamedTuple

from shadowstream.codecs.numbers import NUMBERS
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.suggest.couples import CoupleRule, blind
from shadowstream.suggest.evidence import Couple

GAP = 4.0
"""A difference so many times the next smaller one is of another kind."""
BULK = 0.5
"""The least share of the differences that a bound explains."""
BLIND_MAX = 0.05
BLIND_MAX_ONE_SIDED = 0.001
VALUES_MIN_ONE_SIDED = 50
"""With fewer values a small share of exchanged ones cannot be seen."""
BALANCED = 0.2
"""The least share of either sign among differences without a direction."""
ROUND = (1, 2, 5, 10)
SAME = 0.9
"""The least share of differences that a direction, an offset or a factor needs."""
ALIKE, TINY = 1e-6, 1e-12
EXACT_MAX = 2**53
"""Up to here a double holds each int."""
FOLLOWING = 0.5
"""From this rank correlation on, differences follow production's numbers. Noise of 20 pairs: in 1 of 40 fields."""


class Bound(NamedTuple):
    """A tolerance. `settings`: `atol` or `rtol`. `quantiles`: median, 95 %, 99 % and greatest difference."""

    settings: dict[str, Any]
    blind: float
    quantiles: tuple[float, float, float, float]
    one_sided: bool


def are_numbers(couple: Couple) -> bool:
    """Whether a couple holds two finite numbers."""
    kinds = {type(couple.production), type(couple.candidate)}
    if not (kinds <= NUMBERS or kinds == {Decimal}):
        return False
    return _float(couple.production) is not None and _float(couple.candidate) is not None


def bound_of(couples: Sequence[Couple], values: Sequence[Any], of_json: bool) -> Bound | str:
    """Return the bound for couples of numbers, or the reason why there is none.

    `values`: production's values of the field, by which it is known what the field tells.
    """
    if any(type(one.production) is int and abs(one.production) > EXACT_MAX for one in couples):
        return "ints beyond 2**53 are ids or counts, whose last digits count: digits are lost, as in a double"
    if _follow_values(couples):
        return "its differences follow production's numbers, as a factor or a flipped sign does: a change, not noise"
    if all_alike(moved := deltas(couples)) and abs(alike(moved)[0]) > TINY:
        return "the candidate's number is production's plus the same number: a change, not noise"
    found = []
    for name, sizes in (("atol", _absolute(couples)), ("rtol", _relative(couples))):
        if not sizes or not (greatest := _bulk(sorted(sizes))):
            continue
        settings = {name: rounded_up(greatest)}
        hidden = blind(CoupleRule(settings), values, of_json)
        if hidden is None:
            return "production's values of this field are too few or too alike to tell noise from a change"
        found.append(Bound(settings, hidden, _quantiles(sorted(sizes)), _is_one_sided(couples)))
    if not found:
        return "the differences are not finite numbers"
    best = min(found, key=lambda one: (one.blind, one.settings.keys() == {"rtol"}))
    name, bound = next(iter(best.settings.items()))
    if best.blind > BLIND_MAX:
        return (
            f"{name} {bound} would be needed, and under it {percent(best.blind, 3)} of other records' answers "
            "would pass for the right ones"
        )
    if best.one_sided and (best.blind > BLIND_MAX_ONE_SIDED or len(values) < VALUES_MIN_ONE_SIDED):
        return "the candidate's number is the greater one, or the smaller one, in most pairs: a change, not noise"
    return best


def rounded_up(number: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is at least `number`.

    >>> rounded_up(0.0031), rounded_up(0.01), rounded_up(7.2)
    (0.005, 0.01, 10.0)
    """
    power = math.floor(math.log10(number))
    texts = (f"{step}e{exponent}" for exponent in (power - 1, power, power + 1) for step in ROUND)
    return min(bound for text in texts if (bound := float(text)) >= number)


def _float(value: Any) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def deltas(couples: Sequence[Couple]) -> list[float]:
    """Return the candidate's number minus production's."""
    found = [float(Decimal(str(one.candidate)) - Decimal(str(one.production))) for one in couples if are_numbers(one)]
    return [delta for delta in found if math.isfinite(delta)]


def alike(numbers: Sequence[float]) -> tuple[float, list[bool]]:
    """Return the median, and which numbers are equal to it but for rounding."""
    median = sorted(numbers)[len(numbers) // 2]
    return median, [math.isclose(number, median, rel_tol=ALIKE, abs_tol=TINY) for number in numbers]


def all_alike(numbers: Sequence[float]) -> bool:
    """Whether nearly all numbers are equal but for rounding."""
    return bool(numbers) and sum(alike(numbers)[1]) >= SAME * len(numbers)


def _follow_values(couples: Sequence[Couple]) -> bool:
    """Whether differences grow or shrink with production's numbers: Spearman's rank correlation."""
    numbers = [one for one in couples if are_numbers(one)]
    moved = deltas(numbers)
    if len(moved) < len(numbers):
        return False
    ranks = _ranks([float(one.production) for one in numbers]), _ranks(moved)
    if any(len(set(one)) < 2 for one in ranks):
        return False
    return abs(correlation(*ranks)) >= FOLLOWING


def _ranks(numbers: Sequence[float]) -> list[float]:
    """Return the rank of each number; equal numbers share the mean of their ranks.

    >>> _ranks([5.0, 1.0, 5.0])
    [1.5, 0.0, 1.5]
    """
    first = {number: at for at, number in reversed(list(enumerate(sorted(numbers))))}
    counts = Counter(numbers)
    return [first[number] + (counts[number] - 1) / 2 for number in numbers]


def _absolute(couples: Sequence[Couple]) -> list[float]:
    return [abs(delta) for delta in deltas(couples) if delta]


def _relative(couples: Sequence[Couple]) -> list[float]:
    """Return the differences relative to production's numbers; none if one of those is 0."""
    numbers = [one for one in couples if are_numbers(one)]
    if any(float(one.production) == 0 for one in numbers):
        return []
    sizes = [abs(delta / float(one.production)) for delta, one in zip(deltas(numbers), numbers, strict=False) if delta]
    return sizes if all(map(math.isfinite, sizes)) else []


def _bulk(sizes: list[float]) -> float:
    """Return the greatest of the differences that belong together; `sizes` are sorted."""
    first = max(1, math.ceil(BULK * len(sizes)))
    for at in range(first, len(sizes)):
        if sizes[at] > GAP * sizes[at - 1]:
            return sizes[at - 1]
    return sizes[-1]


def _quantiles(sizes: list[float]) -> tuple[float, float, float, float]:
    def at(share: float) -> float:
        return sizes[min(len(sizes) - 1, math.ceil(share * len(sizes)) - 1)]

    return at(0.5), at(0.95), at(0.99), sizes[-1]


def _is_one_sided(couples: Sequence[Couple]) -> bool:
    signs = [delta > 0 for delta in deltas(couples) if delta]
    higher = sum(signs)
    return min(higher, len(signs) - higher) < BALANCED * len(signs)
