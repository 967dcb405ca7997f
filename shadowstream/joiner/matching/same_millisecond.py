"""Pairs of records with the same key, event time and side: their order says nothing, so their values decide.

A store that pairs by event time keeps the order of the partition among records of one time. That order is an accident:
each side may answer two inputs of one millisecond in either order. So within the pairs of the store, records of one
side, key and time change places until as many pairs as possible agree. The number of pairs, their times and the number
of unmatched records stay the same.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter

from shadowstream.compare.lists import matching
from shadowstream.joiner.matching.matches import Decision, Pair, Unmatched
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side

TIED_MAX = 4_096  # with more combinations of records of one key and time, only equal bytes count as agreement

Agree = Callable[[Sequence[PendingRecord], Sequence[PendingRecord]], Sequence[bool]]
"""A function that compares production's records with the candidate's, pair by pair."""
Content = Callable[[PendingRecord], Hashable]
"""A function that returns all of a record that is compared."""


def untied(decisions: list[Decision], agree: Agree, content: Content = attrgetter("value")) -> list[Decision]:
    """Let records of one side, id and event time change places, so that as many pairs as possible agree."""
    seen = Counter((one.id, side, row.time_ms) for one in decisions for side, row in _rows(one))
    tied = {id_ for (id_, _, _), n in seen.items() if n > 1}
    if not tied:
        return decisions
    by_id: dict[Hashable, list[int]] = defaultdict(list)
    for place, one in enumerate(decisions):
        if one.id in tied and isinstance(one, Pair | Unmatched):
            by_id[one.id].append(place)
    found = list(decisions)
    for places in by_id.values():
        for place, one in zip(places, _of_one_id([decisions[place] for place in places], agree, content), strict=True):
            found[place] = one
    return found


def _rows(one: Decision) -> Iterable[tuple[Side, PendingRecord]]:
    if isinstance(one, Pair):
        return (Side.PRODUCTION, one.production), (Side.SHADOW, one.shadow)
    return ((one.side, one.row),) if isinstance(one, Unmatched) else ()


def _of_one_id(decisions: Sequence[Decision], agree: Agree, content: Content) -> list[Decision]:
    pools: dict[tuple[Side, int], list[PendingRecord]] = defaultdict(list)
    slots: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, one in enumerate(decisions):
        for side, row in _rows(one):
            pools[side, row.time_ms].append(row)
        if isinstance(one, Pair):
            slots[one.production.time_ms, one.shadow.time_ms].append(place)
    found = list(decisions)
    for (productions, shadows), places in slots.items():
        pool = pools[Side.PRODUCTION, productions], pools[Side.SHADOW, shadows]
        first = [(one.production, one.shadow) for one in (decisions[n] for n in places) if isinstance(one, Pair)]
        for place, (row, other) in zip(places, _matched(pool, first, agree, content), strict=True):
            one = found[place]
            if isinstance(one, Pair) and (row, other) != (one.production, one.shadow):
                found[place] = one._replace(production=row, shadow=other, ambiguous=True)
            pool[0].remove(row)
            pool[1].remove(other)
    for place, one in enumerate(found):
        if isinstance(one, Unmatched):
            found[place] = one._replace(row=pools[one.side, one.row.time_ms].pop(0))
    return found


def _matched(
    pool: tuple[list[PendingRecord], list[PendingRecord]],
    first: Sequence[tuple[PendingRecord, PendingRecord]],
    agree: Agree,
    content: Content,
) -> list[tuple[PendingRecord, PendingRecord]]:
    """Return as many pairs as in `first`, from the records of two times; keep `first` unless others agree better."""
    productions, shadows = pool
    free = set(productions), set(shadows)
    if all(row in free[0] and other in free[1] for row, other in first):
        together = [row for row, _ in first], [other for _, other in first]
        if len(productions) == len(shadows) == 1 or all(agree(*together)):
            return list(first)
    if len(productions) * len(shadows) > TIED_MAX:
        wholes = list(map(content, shadows))
        fits = [[whole == other for other in wholes] for whole in map(content, productions)]
    else:
        answers = iter(agree([row for row in productions for _ in shadows], shadows * len(productions)))
        fits = [[next(answers) for _ in shadows] for _ in productions]
    places = {row.offset: n for n, row in enumerate(productions)}, {row.offset: n for n, row in enumerate(shadows)}
    before = [
        (places[0][row.offset], places[1][other.offset])
        for row, other in first
        if row.offset in places[0] and other.offset in places[1]
    ]
    found = matching(fits, [at for at in before if fits[at[0]][at[1]]])
    pairs = [(row, column) for row, column in enumerate(found) if column is not None][: len(first)]
    taken = {row for row, _ in pairs}, {column for _, column in pairs}
    left = (
        [n for n in dict.fromkeys([*(at[0] for at in before), *range(len(productions))]) if n not in taken[0]],
        [n for n in dict.fromkeys([*(at[1] for at in before), *range(len(shadows))]) if n not in taken[1]],
    )
    pairs += zip(*left, strict=False)
    return [(productions[row], shadows[column]) for row, column in sorted(pairs[: len(first)])]
