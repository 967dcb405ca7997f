"""Changes that a person may have intended: one value became another, a number moved, a field came or went.

None of them is noise. A change is written into the config only with a bound on its share and an end, or by its number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.compare.lists import canonical
from shadowstream.suggest.evidence import Couple
from shadowstream.suggest.tolerances import SAME, alike, are_numbers, deltas

LEAST_PAIRS = 20
MAPPINGS_MAX = 20
_SCALARS = (str, int, bool, type(None))


class Change(NamedTuple):
    """A change at a field. `constants`: production's and the candidate's value, where the change is between two.

    `why` describes it; `fits` has of each couple whether it is this change.
    """

    why: str
    fits: Sequence[bool]
    constants: Mapping[str, Any]


def changes_of(couples: Sequence[Couple], nameable: bool) -> list[Change]:
    """Return the changes that a field's differences have the pattern of; `nameable`: values may be shown."""
    for kind, text in (("extra", "only the candidate has the field"), ("missing", "only production has the field")):
        fits = [one.kind == kind for one in couples]
        if _follow(fits):
            return [Change(text, fits, {})]
    if mapped := _mappings(couples, nameable):
        return mapped
    numbers = [are_numbers(one) for one in couples]
    return _moved(couples, nameable) if all(numbers) else []


def _follow(fits: Sequence[bool]) -> bool:
    return sum(fits) >= max(LEAST_PAIRS, SAME * len(fits))


def _mappings(couples: Sequence[Couple], nameable: bool) -> list[Change]:
    """Return the changes from one value to another, if production's value decides the candidate's."""
    scalar = [one for one in couples if isinstance(one.production, _SCALARS) and isinstance(one.candidate, _SCALARS)]
    keys = [(canonical(one.production), canonical(one.candidate)) for one in scalar]
    counts = Counter(keys)
    if len(scalar) < SAME * len(couples) or len(counts) > MAPPINGS_MAX:
        return []
    olds = Counter(old for old, _ in counts)
    found = []
    for key, n in sorted(counts.items(), key=lambda one: -one[1]):
        if n < LEAST_PAIRS or olds[key[0]] > 1:
            continue
        one = scalar[keys.index(key)]
        fits = [(canonical(other.production), canonical(other.candidate)) == key for other in couples]
        constants = {"production": one.production, "shadow": one.candidate} if nameable else {}
        found.append(Change("production's value became another one, always the same", fits, constants))
    return found


def _moved(couples: Sequence[Couple], nameable: bool) -> list[Change]:
    """Return the change of numbers that all moved alike: by one offset, by one factor, or in one direction."""
    moved = deltas(couples)
    if len(moved) < len(couples):
        return []
    offset, fits = alike(moved)
    if _follow(fits):
        by = f"{offset:.6g}" if nameable else "the same number"
        return [Change(f"the candidate's number is production's plus {by}", fits, {})]
    if all(float(one.production) for one in couples):
        factor, fits = alike([float(one.candidate) / float(one.production) for one in couples])
        if _follow(fits):
            by = f"{factor:.6g}" if nameable else "the same number"
            return [Change(f"the candidate's number is production's times {by}", fits, {})]
    for word, fits in (("greater", [delta > 0 for delta in moved]), ("smaller", [delta < 0 for delta in moved])):
        if _follow(fits):
            by = f", typically by {sorted(map(abs, moved))[len(moved) // 2]:.6g}" if nameable else ""
            return [Change(f"the candidate's number is the {word} one{by}", fits, {})]
    return []
