"""Buckets of the latency sketch: bucket i holds (g^(i-1), g^i] ms with g = 1.01 / 0.99."""

import math

LOG_GROWTH = math.log(1.01 / 0.99)
NOTHING = -(2**31)
"""The bucket of a latency of 0 or less."""
