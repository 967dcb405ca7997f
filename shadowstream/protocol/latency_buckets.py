"""Buckets of the latency sketch: bucket i holds (g^(i-1), g^i] ms with g = 1.01 / 0.99."""

import math

LOG_GROWTH = math.log(1.01 / 0.99)
NOTHING = -(2**31)
"""The bucket of a latency of 0 or less."""


def edge_ms(bucket: int) -> float:
    """Return the upper edge of a bucket; 0 for all buckets below 1 ms, which the sketch counts as one.

    >>> edge_ms(-1), edge_ms(0), round(edge_ms(35), 2)
    (0.0, 1.0, 2.01)
    """
    return 0.0 if bucket < 0 else math.exp(bucket * LOG_GROWTH)


def bucket_of(latency_ms: float) -> int:
    """Return the bucket of a latency above 0.

    >>> bucket_of(1.0), bucket_of(2.0)
    (0, 35)
    """
    return math.ceil(math.log(latency_ms) / LOG_GROWTH)
