"""Bounds of what is kept of the order of keys."""

from shadowstream.joiner.matching.key_order import FORGET_AT, Inversion, KeyOrder, Placed
from shadowstream.records import Side


def entered(order: KeyOrder, n: int) -> KeyOrder:
    for begin in range(0, n, 1_000):
        offsets = range(begin, min(n, begin + 1_000))
        order.read(Side.PRODUCTION, offsets, [b"k%d" % (at % 7) for at in offsets], list(offsets))
    return order


def test_beyond_the_bound_the_order_is_unknown_and_not_right() -> None:
    n = 20 + 2 * FORGET_AT
    order = entered(KeyOrder(10**6, records_max=20), n)
    assert order.inverted([Placed(0, 0, b"k0"), Placed(n - 1, 0, b"k")]) == {0: None}


def test_neighbours_beyond_the_span_have_no_order() -> None:
    for distance, expected in ((10, {1: Inversion(0, is_before=True)}), (11, {})):
        order = KeyOrder(10)
        order.read(Side.PRODUCTION, [0, distance], [b"k", b"k"], ["a", "b"])
        assert order.inverted([Placed(0, 5, b"k"), Placed(distance, 4, b"k")]) == expected
    order = KeyOrder(10)
    order.read(Side.PRODUCTION, [0, 1], [b"k", b"k"], ["a", "b"])
    assert order.inverted([Placed(0, 15, b"k"), Placed(1, 4, b"k")]) == {}


def test_what_is_forgotten_changes_no_later_answer() -> None:
    n = 3 * FORGET_AT
    order, whole = entered(KeyOrder(100), n), entered(KeyOrder(100), n)
    order.compared([Placed(at, n - at, b"k") for at in range(n)])
    whole.compared([Placed(at, n - at, b"k") for at in range(n)])
    order.forget(n - 200)
    asked = [Placed(at, n - at, b"k") for at in range(n - 100, n)]
    assert order.inverted(asked) == whole.inverted(asked)
    assert len(order.inverted(asked)) == len(asked)
    assert order.inverted([Placed(0, 0, b"k")]) == {0: None}
