"""Upper bounds of exact tail probabilities, as natural logarithms: binomial at 1/2 and hypergeometric.

Both laws are log-concave: beyond the mode each ratio of neighbouring probabilities is smaller than the one before. So
the tail from k on is at most pmf(k) / (1 - r) with r = pmf(k + 1) / pmf(k). Factorials are gamma functions, because
counts divided by a design effect are no integers.
"""

import math


def log_sign_tail(n: float, excess: float) -> float:
    """Bound ln P(|heads - tails| >= excess) of n tosses of a fair coin, on one side.

    Where n is itself an upper bound of the tosses, the bound holds for fewer tosses too: `excess` is rounded down to
    the parity of n.

    >>> 21 / 2**20 <= math.exp(log_sign_tail(20, 18)) < 21.1 / 2**20  # 19 or 20 heads of 20
    True
    """
    k = float(math.floor((n + excess) / 2.0))
    if n <= 0 or k <= n / 2.0:
        return 0.0
    k = min(k, n)
    log_pmf = _log_choose(n, k) - n * math.log(2.0)
    return min(0.0, log_pmf - math.log1p(-(n - k) / (k + 1.0)))


def log_draw_tail(total: float, marked: float, drawn: float, hits: float) -> float:
    """Bound the log of the tail, beyond the mean, of `hits` marked ones among `drawn` of `total` without replacement.

    >>> 101 / 184_756 <= math.exp(log_draw_tail(20, 10, 10, 9)) < 102 / 184_756  # 9 or 10 of the 10 marked
    True
    """
    if hits * total < marked * drawn:
        return log_draw_tail(total, total - marked, drawn, drawn - hits)
    unmarked_left = total - marked - (drawn - hits)
    ratio = (marked - hits) * (drawn - hits) / ((hits + 1.0) * (unmarked_left + 1.0))
    if not 0.0 <= ratio < 1.0:
        return 0.0
    log_pmf = _log_choose(marked, hits) + _log_choose(total - marked, drawn - hits) - _log_choose(total, drawn)
    return min(0.0, log_pmf - math.log1p(-ratio))


def _log_choose(n: float, k: float) -> float:
    k = min(max(k, 0.0), n)
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
