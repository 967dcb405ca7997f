"""Evidence about latency quantiles of two sides: is the candidate's q-quantile under `ratio` times production's?

A quantile lies at or under an edge x if and only if the rate of latencies beyond x is at most 1 - q. So at a fixed edge
the evidence is that of a rate (`rates`), with exact counts, and both sides may depend on each other:

- E_C(x) of E_below: "the candidate's quantile is at most x", against "more than 1 - q of its latencies are beyond x";
- E_P(y) of E_above: "production's quantile is over y", against "at most 1 - q of its latencies are beyond y".

This is the confidence sequence of a fixed quantile by the beta-binomial mixture in Howard & Ramdas, "Sequential
estimation of quantiles" (arXiv 1906.09712, section 3). The claim x <= ratio * y needs both. If it is false, one of its
halves is. The evidence of a false half is at most that at the first edge that makes it false. That edge is fixed, and
counts are monotone. So all edges may be searched without a price: max over (x, y) of min(E_C, E_P) is at most E_C +
E_P at two fixed edges, and half of it is an e-value. At 1/alpha each side has E >= 2/alpha, a level of alpha/2. The
claim of a reject is the mirror image.
"""

import math
from collections.abc import Callable
from itertools import accumulate

from shadowstream.judge.evidence.binomial_mixture import log_e
from shadowstream.judge.evidence.rates import b_of
from shadowstream.judge.latency_sketch import TOP, ZERO, Counts, Sketch
from shadowstream.protocol.latency_buckets import LOG_GROWTH

LOG_ARMS = math.log(2.0)


class Arm:
    """Latencies of one side against its q-quantile. `effect`: the number of pairs that count as one."""

    def __init__(self, counts: Counts, quantile: float) -> None:
        held = [0] * (TOP + 2 - ZERO)
        for bucket, n in counts.items():
            held[bucket - ZERO] = n
        self._under = list(accumulate(held))
        self._n = self._under[-1]
        self._q, self._p = quantile, 1.0 - quantile

    def log_e_within(self, edge: int, effect: float = 1.0) -> float:
        """Return ln E for "the quantile is at most this edge"; it grows with the edge."""
        n = self._n / effect
        return log_e(n, n - self._under[edge - ZERO] / effect, self._p, self._q)

    def log_e_beyond(self, edge: int, effect: float = 1.0) -> float:
        """Return ln E for "the quantile is over this edge"; it falls with the edge."""
        return log_e(self._n / effect, self._under[edge - ZERO] / effect, self._q, self._p, b_of(self._p))

    def upper(self, log_at: float) -> int | None:
        """Return the least edge that the quantile is shown not to exceed; None if there is none."""
        edge = _first(lambda at: self.log_e_within(at) >= log_at)
        return edge if edge <= TOP else None

    def lower(self, log_at: float) -> int | None:
        """Return the greatest edge that the quantile is shown to exceed; None if there is none."""
        edge = _first(lambda at: self.log_e_beyond(at) < log_at) - 1
        return edge if edge >= ZERO else None


class RatioEvidence:
    """Evidence of one sketch about the ratio of the candidate's q-quantile to production's."""

    def __init__(self, sketch: Sketch, quantile: float, ratio: float) -> None:
        self._production, self._candidate = (Arm(counts, quantile) for counts in sketch)
        self._steps = math.log(ratio) / LOG_GROWTH

    def log_e_below(self, effect: float = 1.0) -> float:
        """Return ln E for "the candidate's quantile is under `ratio` times production's"."""

        def claims(at: int) -> tuple[float, float]:
            edge = ZERO if at == ZERO else max(ZERO, min(TOP, at + math.floor(self._steps)))
            return self._candidate.log_e_within(edge, effect), self._production.log_e_beyond(at, effect)

        return _best(claims) - LOG_ARMS

    def log_e_above(self, effect: float = 1.0) -> float:
        """Return ln E for "the candidate's quantile is over `ratio` times production's"."""

        def claims(at: int) -> tuple[float, float]:
            edge = ZERO if at == ZERO else max(0, at + math.ceil(self._steps))
            beyond = self._candidate.log_e_beyond(edge, effect) if edge <= TOP else -math.inf
            return self._production.log_e_within(at, effect), beyond

        return _best(claims) - LOG_ARMS


def edges_times(bucket: int, ratio: float) -> int:
    """Return the greatest edge that is at most `ratio` times the edge of a bucket."""
    return ZERO if bucket == ZERO else max(ZERO, min(TOP, bucket + math.floor(math.log(ratio) / LOG_GROWTH)))


def _best(claims: Callable[[int], tuple[float, float]]) -> float:
    """Return the greatest minimum over all edges of a value that grows and one that falls."""

    def crossed(edge: int) -> bool:
        grows, falls = claims(edge)
        return grows >= falls

    crossing = _first(crossed)
    return max(min(claims(edge)) for edge in (crossing - 1, crossing) if ZERO <= edge <= TOP)


def _first(holds: Callable[[int], bool]) -> int:
    """Return the first edge for which a condition holds that holds from there on; TOP + 1 if there is none."""
    low, high = ZERO - 1, TOP + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
