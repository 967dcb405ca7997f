"""Sums of values in [0, 1] in any order: the joiner adds them up, the judge derives evidence from them."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
BETS = 10
SUMS = 2 * BETS + 1  # number of sums: ten for evidence below m, ten for evidence above it, and the sum of the values
# 2**-32 of a nat: 300 million of the worst values fit 64 bits, and a million values lose less than 3e-4 nats.
STORED_BITS = 32
_CHUNK = 50_000


def grid_sums(y: Array, m: float, *, wide: bool = False) -> tuple[int, ...]:
    """Return the sums of the values `y` (shape (n,), each in [0, 1]) against the mean `m`, as stats records carry them.

    The result has `SUMS` integers in units of 2**-32: for each bet the sum of its log wealth below `m`, the same above
    it, and the sum of the values. Sums of parts are added number by number; order and split change no bit. Raises
    ValueError for NaN and values outside [0, 1]; the caller scales values, and drops and counts NaN. `wide`: as `bets`.

    >>> one, other = grid_sums(np.array([0.0, 0.3]), 0.1), grid_sums(np.array([1.0]), 0.1)
    >>> tuple(map(sum, zip(one, other))) == grid_sums(np.array([1.0, 0.0, 0.3]), 0.1)
    True
    """
    values = checked(y, m)
    below = log_wealth(values, m, STORED_BITS, wide=wide)
    above = log_wealth(1.0 - values, 1.0 - m, STORED_BITS, wide=wide)
    return (*below, *above, int(stored(values).sum()))


def stored(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return values in [0, 1] in units of 2**-32; NaN becomes 0."""
    return np.rint(np.ldexp(np.nan_to_num(values), STORED_BITS)).astype(np.int64)


def bets(m: float, *, wide: bool = False) -> npt.NDArray[np.float64]:
    """Return the fractions lambda_j that are bet on a value below `m` (`judge.evidence.bounded_mean`).

    `wide`: each is half of the next, for a mean near 1/2. There the best bet is the distance from `m` over the
    variance, which differs by orders of magnitude from data to data.
    """
    shares = np.exp2(np.arange(1 - BETS, 1)) if wide else np.linspace(0.1, 1.0, BETS)
    fractions: npt.NDArray[np.float64] = (0.999 / (1.0 - m)) * shares
    return fractions


def checked(y: Array, m: float) -> npt.NDArray[np.float64]:
    check_rate("m", m)
    values = np.asarray(y, dtype=np.float64).ravel()
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError("values of a bounded mean must lie in [0, 1]; scale them and drop NaN (and count it) first")
    return values


def log_wealth(values: npt.NDArray[np.float64], m: float, bits: int, *, wide: bool = False) -> list[int]:
    sums = [0] * BETS
    for start in range(0, len(values), _CHUNK):
        excess = values[start : start + _CHUNK] - m
        for j, bet in enumerate(bets(m, wide=wide)):
            sums[j] += int(np.floor(np.ldexp(np.log1p(-bet * excess), bits)).astype(np.int64).sum())
    return sums


def check_rate(name: str, rate: float) -> None:
    if not 0.0 < rate < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, got {rate!r}")
