"""Whose records were evicted, and whether a limit did it: each lowers the coverage of its own side.

A record whose partner could not be read or was deleted is evicted, and so is one that a limit sheds. Both are losses
like any other: one unreadable byte in a million records must not hold a promote for ever. Only the limits are named
beside coverage, while their share is over what `judge.min_coverage` allows, because there is a key to change.

What a joiner of an older release has not named counts against production's coverage, and may have been a limit's.
"""

from collections.abc import Mapping

from shadowstream.judge.coverage.coverage_losses import LossSide
from shadowstream.protocol.count_names import BY_LIMIT, EVICTIONS
from shadowstream.protocol.outcomes import Outcome

_WORDS: Mapping[LossSide, str] = {"production": "production", "candidate": "shadow"}


def evicted_of(side: LossSide, figures: Mapping[str, int]) -> int:
    """Evicted records of a side.

    >>> evicted_of("candidate", {"evicted": 5, "evicted/shadow": 2})
    2
    >>> evicted_of("production", {"evicted": 5, "evicted/shadow": 2})
    3
    """
    named = {word: figures.get(EVICTIONS + word, 0) for word in ("shadow", "twin")}
    of_side = named["shadow"] if side == "candidate" else figures.get(Outcome.EVICTED, 0) - sum(named.values())
    return max(0, of_side)


def shed_of(side: LossSide, figures: Mapping[str, int]) -> int:
    """Evicted records of a side that a limit shed, or may have shed.

    >>> shed_of("production", {"evicted": 5, "evicted/production": 4, "evicted/production:limit": 1})
    2
    """
    word = _WORDS[side]
    unnamed = evicted_of(side, figures) - figures.get(EVICTIONS + word, 0)
    return max(0, figures.get(EVICTIONS + word + BY_LIMIT, 0)) + max(0, unnamed)


def is_of_evictions(name: str) -> bool:
    """Whether a figure says whose of the evicted records were."""
    return name.startswith(EVICTIONS)
