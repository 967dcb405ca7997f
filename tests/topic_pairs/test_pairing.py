"""Pairs of two topics: every record has one partner or one fate, and no other choice gives more pairs."""

from itertools import permutations, product
from random import Random

import pytest

from shadowstream.topic_pairs.pairing import (
    Fate,
    Pairing,
    by_id,
    by_time,
    in_order,
    in_order_from,
    newest,
    order_breaks,
)
from shadowstream.topic_pairs.stored_record import StoredRecord, unpack


def record(
    side: int, offset: int, *, time_ms: int = 0, value: bytes | None = b"{}", partition: int = 0
) -> StoredRecord:
    return StoredRecord(side, partition, offset, time_ms, b"id", b"key", value)


def drawn(dice: Random) -> tuple[list[StoredRecord], list[StoredRecord]]:
    def side(number: int) -> list[StoredRecord]:
        return [
            record(number, n, time_ms=dice.randrange(60), value=dice.choice([None, b"1"]))
            for n in range(dice.randrange(6))
        ]

    return side(0), side(1)


@pytest.mark.parametrize("pairing", [in_order, in_order_from(30), by_time(10), newest])
def test_each_record_has_exactly_one_place(pairing: Pairing) -> None:
    for seed in range(300):
        first, second = drawn(Random(seed))
        paired = pairing(first, second)
        found = [one for pair in paired.pairs for one in pair] + [one for one, _ in paired.single]
        assert sorted(found, key=str) == sorted([*first, *second], key=str)


def test_by_time_no_other_choice_gives_more_pairs() -> None:
    for seed in range(200):
        first, second = drawn(Random(seed))
        paired = by_time(10)(first, second)
        assert all(abs(one.time_ms - other.time_ms) <= 10 for one, other in paired.pairs)
        shorter, longer = sorted((first, second), key=len)
        best = max(
            sum(abs(one.time_ms - other.time_ms) <= 10 for one, other in zip(shorter, chosen, strict=True))
            for chosen in permutations(longer, len(shorter))
        )
        assert len(paired.pairs) == best


def test_in_order_the_nth_belongs_to_the_nth() -> None:
    first, second = [record(0, n) for n in (5, 3, 9)], [record(1, n) for n in (1, 0)]
    paired = in_order(first, second)
    assert [(one.offset, other.offset) for one, other in paired.pairs] == [(3, 0), (5, 1)]
    assert [(one.offset, fate) for one, fate in paired.single] == [(9, Fate.REPEATED)]


@pytest.mark.parametrize("equal_bytes", [True, False])
@pytest.mark.parametrize("late_ms", [-3_000, -400, 0, 400, 3_000])
def test_a_range_begins_with_the_same_record_in_both(late_ms: int, *, equal_bytes: bool) -> None:
    """Wherever the reading begins, no pair is shifted: by values, or by times closer than the steps of an id."""
    step_ms = 7_000
    for cut_ms in range(0, step_ms, 500):
        begin_ms = 60_000 + cut_ms

        def side(number: int, late: int, begin_ms: int = begin_ms) -> list[StoredRecord]:
            rows = [
                record(
                    number, n, time_ms=n * step_ms + late, value=b"%d" % n if equal_bytes else b"%d-%d" % (number, n)
                )
                for n in range(30)
            ]
            return [one for one in rows if one.time_ms >= begin_ms - 20_000]

        first, second = side(0, 0), side(1, late_ms)
        paired = in_order_from(begin_ms)(first, second)
        assert {one.offset - other.offset for one, other in paired.pairs} == {0}
        assert all(one.time_ms < begin_ms for one, fate in paired.single if fate is Fate.BEFORE)


def test_a_difference_in_the_range_is_not_passed_over() -> None:
    first = [record(0, n, time_ms=n * 1_000, value=b"%d" % n) for n in range(10)]
    second = [one._replace(side=1, value=b"bad" if one.offset == 5 else one.value) for one in first]
    paired = in_order_from(3_000)(first, second)
    assert [one.offset for one, other in paired.pairs if one.value != other.value] == [5]
    lacking = in_order_from(3_000)(first, second[:5] + second[6:])
    assert [one.time_ms >= 3_000 for one, _ in lacking.single] == [True]


def test_few_pairs_that_are_equal_by_chance_shift_nothing() -> None:
    first = [record(0, n, time_ms=n * 1_000) for n in range(6)]
    second = [one._replace(side=1, value=b"bad" if one.offset == 1 else one.value) for one in first]
    assert in_order_from(5_000)(first, second) == in_order(first, second)


def test_over_several_partitions_time_is_the_order() -> None:
    first = [record(0, 1, time_ms=20), record(0, 9, time_ms=10, partition=1)]
    paired = in_order(first, [record(1, 0, time_ms=10), record(1, 1, time_ms=20)])
    assert [one.time_ms for one, _ in paired.pairs] == [10, 20]


def test_of_compacted_topics_the_last_records_count() -> None:
    first = [record(0, 1), record(0, 2, value=b"new")]
    paired = newest(first, [record(1, 7, value=b"new")])
    assert [(one.offset, other.offset) for one, other in paired.pairs] == [(2, 7)]
    assert [fate for _, fate in paired.single] == [Fate.SUPERSEDED]
    gone = newest(first, [record(1, 7, value=None)])
    assert sorted((one.side, fate) for one, fate in gone.single) == [
        (0, Fate.SUPERSEDED),
        (0, Fate.UNMATCHED),
        (1, Fate.DELETED),
    ]


def test_order_is_broken_where_neighbours_come_in_another_order() -> None:
    for places in permutations(range(4)):
        found = order_breaks((0, n, 0, place) for n, place in enumerate(places))
        assert found.broken == sum(places[n] > places[n + 1] for n in range(3))


def test_records_come_out_of_their_bytes_unchanged() -> None:
    parts: list[bytes | None] = [None, b"", b"x" * 300]
    records = [
        StoredRecord(side, 2, 2**40, -1, b"id" * side, key, value, ((side, header),) * side)
        for side, key, value, header in product((0, 1), parts, parts, parts)
    ]
    assert list(unpack(b"".join(one.pack() for one in records))) == records
    assert {id_: (len(a), len(b)) for id_, (a, b) in by_id(records).items()} == {b"": (27, 0), b"id": (0, 27)}
