"""Which records may meet: ids of both sides, and what has none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.identity import Identity, header, packed_of, text_coordinate
from shadowstream.records import PACKED_HEADER, Batch, Coordinate, Headers, Place, Side, pack
from tests.joiner.world import REVISION, config

AT = Coordinate(0, 3, 17, 2)
PACKED = (PACKED_HEADER, pack(REVISION, AT, 5, 6))


def batch(*headers: Headers) -> Batch:
    n = len(headers)
    return Batch(Place("out", 0), range(n), [0] * n, [b"k%d" % i for i in range(n)], [b"1"] * n, headers)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"in/3/17", Coordinate(0, 3, 17, 0)),
        (b"in/3/17/2", AT),
        (b"also/0/0", Coordinate(1, 0, 0, 0)),
        (None, None),
        (b"", None),
        (b"elsewhere/3/17", None),
        (b"in/3", None),
        (b"in/3/17/2/9", None),
        (b"in/-3/17", None),
        (b"in/3/1.5", None),
        (b"in/3/ 17", None),
        (b"in//17", None),
        (b"\xff/3/17", None),
        (b"in/3/" + b"9" * 5_000, None),
    ],
)
def test_productions_own_header_names_an_input_or_none(raw: bytes | None, expected: Coordinate | None) -> None:
    assert text_coordinate(raw, ["in", "also"]) == expected


@given(raw=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: b"in/" + text.encode())))
def test_no_header_of_production_can_stop_the_joiner(raw: bytes) -> None:
    text_coordinate(raw, ["in"])
    packed_of([(PACKED_HEADER, raw)])


def test_the_last_header_of_a_name_counts() -> None:
    assert header([("a", b"1"), ("b", b"2"), ("a", b"3")], "a") == b"3"
    assert header(None, "a") is None


def test_by_key_the_ids_are_the_keys_of_both_sides() -> None:
    identity = Identity(config())
    for side in Side:
        assert list(identity.ids(side, batch(None, None), [None, None])) == [b"k0", b"k1"]


def test_by_coordinate_both_sides_meet_in_the_packed_header() -> None:
    identity = Identity(config(identity={"kind": "coordinate"}))
    both = batch([PACKED], None)
    packed = [identity.packed(headers) for headers in both.headers]
    assert identity.ids(Side.PRODUCTION, both, ()) == identity.ids(Side.SHADOW, both, packed) == [AT, None]


def test_by_coordinate_production_may_have_a_header_of_its_own() -> None:
    identity = Identity(config(identity={"kind": "coordinate", "header": "origin"}))
    ids = identity.ids(Side.PRODUCTION, batch([("origin", b"in/3/17/2")], [PACKED], None), ())
    assert ids == [AT, None, None]


def test_a_packed_header_of_an_input_that_we_do_not_have_is_none() -> None:
    identity = Identity(config(identity={"kind": "coordinate"}))
    foreign: Headers = [(PACKED_HEADER, pack(REVISION, Coordinate(1, 0, 0, 0), 0, 0))]
    assert packed_of(foreign) is not None
    assert identity.packed(foreign) is None
    assert identity.ids(Side.PRODUCTION, batch(foreign), ()) == [None]


def test_headers_are_read_only_where_they_are_needed() -> None:
    needed = {
        kind: [Identity(config(identity={"kind": kind})).needs_headers(side) for side in Side]
        for kind in ("key", "coordinate")
    }
    assert needed == {"key": [False, True], "coordinate": [True, True]}
