"""Design effect: whether mismatches cluster, by window and by bucket of keys.

deff = sum_b (s_b - n_b p)^2 / (p (1-p) sum_b n_b) over blocks b, with p = s/n over all of them. It is 1 if units are
bad independently of their block, and m if they come in blocks of m that are bad as a whole (Kish, "Survey sampling",
1965).

Above `DEFF_MAX` a criterion with `unit: record` cannot promote: its units are the wrong ones, and mismatches that come
in tens make a gate at 5 % promote wrongly 70 % of the time. It still rejects, because a real fault is clustered by
nature. Dividing n by an estimated deff does not repair it: that promotes wrongly 26-37 % of the time.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

DEFF_MAX = 1.5
Squares: TypeAlias = tuple[int, ...]
"""Sums over blocks of s*s, s*n and n*n."""
NO_SQUARES: Squares = (0, 0, 0)


def squared(squares: Squares, counts: Sequence[int]) -> Squares:
    """Return the sums with one more block of `counts` (units and bad units)."""
    n, s = counts[:2]
    return squares[0] + s * s, squares[1] + s * n, squares[2] + n * n


def design_effect(n: int, s: int, squares: Squares) -> float:
    """Return the deff of n units, s of them bad, from the sums over their blocks; 1 if none or all are bad.

    >>> design_effect(100, 10, squared(squared(NO_SQUARES, (50, 10)), (50, 0)))
    5.555555555555555
    """
    if not 0 < s < n:
        return 1.0
    p = s / n
    return (squares[0] - 2.0 * p * squares[1] + p * p * squares[2]) / (p * (1.0 - p) * n)


def deff_of(blocks: Iterable[Sequence[int]]) -> float:
    """Return the deff of blocks, each units and bad units.

    >>> deff_of([(100, 1)] * 50)
    0.0
    """
    n, s, squares = 0, 0, NO_SQUARES
    for block in blocks:
        n, s, squares = n + block[0], s + block[1], squared(squares, block)
    return design_effect(n, s, squares)
