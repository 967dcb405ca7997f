"""The kernel takes objects out of a column as numpy does, and refuses slots beyond it."""

from shadowstream.native.library import Kernel
from tests.native.exchanges import differences


def test_objects_taken_by_chance_are_those_that_numpy_gives(kernel: Kernel) -> None:
    taken = 0
    for seed in range(50):
        counts, problems = differences(seed, kernel)
        assert problems == [], f"seed {seed}"
        taken += counts["exchanges"]
    assert taken > 1_000
