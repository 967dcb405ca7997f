"""Numerics of a beta prior cut to one side of a limit; `rates` explains its use.

Counts are exact up to n = 1e9 and more, since nothing is computed as a difference of large logarithms.
"""

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from shadowstream.protocol.mean_sums import check_rate

Array: TypeAlias = npt.NDArray[Any]
P = ParamSpec("P")
Scalar_co = TypeVar("Scalar_co", covariant=True)

# Below this the incomplete beta function is near the end of the doubles and its continued fraction takes over.
_TINY = 1e-290
_LOGIT_MAX = 100.0
_SCALARS = (int, float)


# Criteria without a bad unit share their counts, and the search for a bound repeats the steps of the last window.
@lru_cache(maxsize=16_384)
def log_e(n: float, s: float, p: float, q: float, b: float = 1.0) -> float:
    """Return ln E_below with the limit given as p and q = 1 - p, each as precise as the caller has it.

    The prior is Beta(b, 1) cut to (0, p): uniform at b = 1, and near p if b is large. With m = n + b - 1 and a = s + b
    bad units there are two forms of one integral. If the beta function is ordinary, with pmf the binomial probability
    of a - 1 in m: E = b I_p(a, m-a+2) / (p (m+1) pmf). If it underflows, its continued fraction (DLMF 8.17.22), in
    which every power cancels: E = b q / a * CF. That is far out in the tail, where the fraction converges in a few
    terms. Counts need not be whole (`design_effect.deflated`).
    """
    from scipy import special  # slow to import, and few commands get here

    a, good = s + b, n - s
    inside = float(special.betainc(a, good + 1.0, p) if p <= 0.5 else special.betaincc(good + 1.0, a, q))
    if inside < _TINY:
        return math.log(b * q) - math.log(a) + math.log(_fraction(a, good + 1.0, p))
    return math.log(b * inside) - math.log(p) - math.log(a + good) - _log_pmf(a - 1.0, good, p, q)


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function for x below its mean, by Lentz's method."""
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    value, m = d, 0
    while abs(c * d - 1.0) > 1e-14:
        m += 1
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d, c = 1.0 / (1.0 + term * d), 1.0 + term / c
            value *= d * c
    return value


def _log_pmf(s: float, good: float, p: float, q: float) -> float:
    """Return ln of the binomial probability of s in n = s + good, by Loader's saddle-point form.

    "Fast and accurate computation of binomial probabilities", 2000: the deviance is computed as such, not as a
    difference of log-gammas.
    """
    n = s + good
    if s == 0:
        return n * (math.log1p(-p) if p <= 0.5 else math.log(q))
    if good == 0:
        return n * (math.log(p) if p <= 0.5 else math.log1p(-q))
    excess = s - n * p if p <= 0.5 else n * q - good
    deviance = _deviance(n * p, excess) + _deviance(n * q, -excess)
    corrections = _stirling_error(n) - _stirling_error(s) - _stirling_error(good)
    return corrections - deviance + 0.5 * (math.log(n) - math.log(2.0 * math.pi * s) - math.log(good))


def _deviance(mean: float, excess: float) -> float:
    """Return x ln(x / mean) - x + mean for x = mean + excess > 0, without their difference."""
    t = excess / mean
    return mean * ((1.0 + t) * math.log1p(t) - t) if t > -1.0 else mean


def _stirling_error(k: float) -> float:
    """Return ln k! less Stirling's formula."""
    if k < 16:
        return math.lgamma(k + 1.0) - (k + 0.5) * math.log(k) + k - 0.5 * math.log(2.0 * math.pi)
    r = 1.0 / k
    return r * (1 / 12 - r**2 * (1 / 360 - r**2 * (1 / 1260 - r**2 * (1 / 1680 - r**2 / 1188))))


# Most criteria of a verdict share their units and have no bad one.
@lru_cache(maxsize=4_096)
def limit_logit(n: int, s: int, need: float) -> float:
    """Return the logit of the p at which ln E_below reaches `need`; infinite if none does.

    E_below grows with p and d ln E / d logit p = q/E - (s+1) q + (n-s) p, so Newton inside a bracket finds it.
    """
    if n == s:
        return math.inf
    low, high = -_LOGIT_MAX, _LOGIT_MAX
    logit = math.log((s + 0.5) / (n - s + 0.5)) + 0.5
    while True:
        p, q = expit(logit), expit(-logit)
        evidence = log_e(n, s, p, q)
        low, high = (logit, high) if evidence < need else (low, logit)
        slope = q * math.exp(-evidence) - (s + 1.0) * q + (n - s) * p
        next_logit = logit - (evidence - need) / slope if slope > 0.0 else math.nan
        if not low < next_logit < high:
            next_logit = (low + high) / 2.0
        if abs(next_logit - logit) <= 1e-14 * (1.0 + abs(logit)):
            return next_logit
        logit = next_logit


def expit(x: float) -> float:
    """Return the logistic function, precise at both ends."""
    return 1.0 / (1.0 + math.exp(-x)) if x > -_LOGIT_MAX else math.exp(x)


class Vectorised(Protocol[P, Scalar_co]):
    """Function of scalars that also takes arrays, broadcast against each other."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Scalar_co: ...
    @overload
    def __call__(self, *args: int | float | Array, **kwargs: int | float | Array) -> Array: ...


def vectorised(function: Callable[P, Scalar_co]) -> Vectorised[P, Scalar_co]:
    """Let a function of scalars take arrays too, element by element: the same bits in both.

    Arrays without a dimension, and scalars, give a scalar.
    """

    @wraps(function)
    def broadcasting(*args: Any, **kwargs: Any) -> Any:
        arguments = (*args, *kwargs.values())
        for argument in arguments:
            if not isinstance(argument, _SCALARS):
                break
        else:
            return function(*args, **kwargs)
        arrays = np.broadcast_arrays(*arguments)
        values = []
        for elements in zip(*(array.ravel().tolist() for array in arrays), strict=True):
            named = dict(zip(kwargs, elements[len(args) :], strict=True))
            values.append(cast(Any, function)(*elements[: len(args)], **named))
        return np.array(values).reshape(arrays[0].shape) if arrays[0].ndim else values[0]

    return cast(Vectorised[P, Scalar_co], broadcasting)


def check(n: int, s: int, name: str, rate: float) -> None:
    """Raise ValueError unless counts and rate are possible."""
    check_rate(name, rate)
    if not (isinstance(n, int) and isinstance(s, int) and 0 <= s <= n):
        raise ValueError(f"counts must be whole numbers with 0 <= s (bad units) <= n (units), got s={s!r}, n={n!r}")
