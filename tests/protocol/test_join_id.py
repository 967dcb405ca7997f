"""Which records may meet: ids of both sides, and what has none."""

from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import comparer
from shadowstream.config import Compare
from shadowstream.errors import RecordError
from shadowstream.protocol.headers import NO_K, PACKED_HEADER, header, pack, packed_of, text_coordinate
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Headers, InputCoordinate, Partition, Side
from tests.joiner.joiner_world import REVISION, config

AT = InputCoordinate(0, 3, 17, 2)
PACKED = (PACKED_HEADER, pack(REVISION, AT, 5, 6))


def batch(*headers: Headers) -> Batch:
    n = len(headers)
    return Batch(Partition("out", 0), range(n), [0] * n, [b"k%d" % i for i in range(n)], [b"1"] * n, headers)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"in/3/17", InputCoordinate(0, 3, 17, NO_K)),
        (b"in/3/17/2", AT),
        (b"also/0/0", InputCoordinate(1, 0, 0, NO_K)),
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
def test_productions_own_header_names_an_input_or_none(raw: bytes | None, expected: InputCoordinate | None) -> None:
    assert text_coordinate(raw, ["in", "also"]) == expected


@given(raw=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: b"in/" + text.encode())))
def test_no_header_of_production_can_stop_the_joiner(raw: bytes) -> None:
    text_coordinate(raw, ["in"])
    packed_of([(PACKED_HEADER, raw)])


def test_the_last_header_of_a_name_counts() -> None:
    assert header([("a", b"1"), ("b", b"2"), ("a", b"3")], "a") == b"3"
    assert header(None, "a") is None


def ids(identity: Identity, side: Side, of: Batch) -> list[Hashable]:
    """The ids of a batch, as a task finds them."""
    packed = [identity.packed(headers) for headers in of.headers] if side is Side.SHADOW else []
    return list(identity.ids(side, of, identity.coordinates(side, of, packed)))


def test_by_key_the_ids_are_the_keys_of_all_sides() -> None:
    identity = Identity(config())
    for side in Side:
        assert ids(identity, side, batch(None, None)) == [b"k0", b"k1"]


def test_by_coordinate_both_sides_meet_in_the_packed_header() -> None:
    identity = Identity(config(identity={"kind": "coordinate"}))
    both = batch([PACKED], None)
    assert ids(identity, Side.PRODUCTION, both) == ids(identity, Side.SHADOW, both) == [AT, None]


def test_by_coordinate_production_may_have_a_header_of_its_own() -> None:
    identity = Identity(config(identity={"kind": "coordinate", "header": "origin"}))
    of = batch([("origin", b"in/3/17/2")], [("origin", b"in/3/17")], [PACKED], None)
    assert ids(identity, Side.PRODUCTION, of) == [AT, InputCoordinate(0, 3, 17, 0), None, None]


def test_by_coordinate_an_external_candidate_has_productions_header() -> None:
    adopted = {"topic": "cand", "group": "g", "version": "1"}
    identity = Identity(config(identity={"kind": "coordinate", "header": "origin"}, candidate=adopted))
    of = batch([("origin", b"in/3/17/2")], [PACKED])
    assert ids(identity, Side.SHADOW, of) == [AT, None]
    own_identity = Identity(config(identity={"kind": "coordinate", "header": "origin"}))
    assert ids(own_identity, Side.SHADOW, of) == [None, AT]


def test_under_outputs_many_the_id_is_the_input_and_not_the_output() -> None:
    identity = Identity(config(identity={"kind": "coordinate", "header": "origin", "outputs": "many"}))
    of = batch([("origin", b"in/3/17/2")], [("origin", b"in/3/17/1")], [("origin", b"in/3/17")])
    assert set(ids(identity, Side.PRODUCTION, of)) == {AT[:3]}


def test_by_id_in_a_header_both_sides_are_read_there() -> None:
    identity = Identity(config(identity={"kind": "id", "header": "order"}))
    for side in Side:
        assert ids(identity, side, batch([("order", b"17")], [PACKED], None)) == [b"17", None, None]


def test_with_a_path_id_an_undecodable_value_is_an_error() -> None:
    decoder = comparer(NoSchemas(), Compare())
    identity = Identity(config(identity={"kind": "id", "path": "order.id"}), decoder.decode)
    values = [b'{"order": {"id": 17}}', b'{"order": {}}', b"\xff", None, b'{"order": {"id": "a"}}']
    of = Batch(Partition("out", 0), range(5), [0] * 5, [None] * 5, values, [None] * 5)
    for side in (Side.PRODUCTION, Side.SHADOW):
        found = ids(identity, side, of)
        assert isinstance(found.pop(2), RecordError)
        assert found == [b"17", None, None, b"a"]


def test_a_packed_header_of_an_unknown_input_is_none() -> None:
    identity = Identity(config(identity={"kind": "coordinate"}))
    foreign: Headers = [(PACKED_HEADER, pack(REVISION, InputCoordinate(1, 0, 0, 0), 0, 0))]
    assert packed_of(foreign) is not None
    assert identity.packed(foreign) is None
    assert ids(identity, Side.PRODUCTION, batch(foreign)) == [None]


def test_headers_are_read_only_where_they_are_needed() -> None:
    kinds: list[dict[str, str]] = [
        {"kind": "key"}, {"kind": "coordinate"}, {"kind": "id", "header": "order"}, {"kind": "id", "path": "id"},
    ]  # fmt: skip
    needed = [[Identity(config(identity=kind)).needs_headers(side) for side in Side] for kind in kinds]
    assert needed == [[False, True, False], [True, True, True], [True, True, True], [False, True, False]]


# ---------------------------------------------------------------- what makes a record a repeat

FIRST, SECOND = InputCoordinate(0, 3, 17, 0), InputCoordinate(0, 3, 17, 1)


@pytest.mark.parametrize(
    ("settings", "side", "expected"),
    [
        ({"kind": "key"}, Side.PRODUCTION, ["id", "id"]),
        ({"kind": "key"}, Side.SHADOW, ["id", "id"]),
        ({"kind": "coordinate"}, Side.PRODUCTION, ["id", "id"]),
        ({"kind": "occurrence"}, Side.PRODUCTION, None),
        ({"kind": "occurrence"}, Side.SHADOW, [FIRST, SECOND]),
        ({"kind": "key", "outputs": "many"}, Side.PRODUCTION, None),
        ({"kind": "key", "outputs": "many"}, Side.SHADOW, [FIRST, SECOND]),
        ({"kind": "coordinate", "outputs": "many"}, Side.PRODUCTION, [FIRST, SECOND]),
        ({"kind": "coordinate", "outputs": "many"}, Side.SHADOW, [FIRST, SECOND]),
        ({"kind": "key", "dedupe_span": 0}, Side.SHADOW, None),
    ],
)
def test_what_makes_a_record_a_repeat(settings: dict[str, Any], side: Side, expected: list[Any] | None) -> None:
    identity = Identity(config(identity=settings))
    found = identity.repeats_by(side, ["id", "id"], [FIRST, SECOND])
    assert (list(found) if found is not None else None) == expected
    assert identity.repeats(side) is (expected is not None)


def test_without_numbers_no_output_of_production_is_a_repeat() -> None:
    identity = Identity(config(identity={"kind": "coordinate", "outputs": "many"}))
    unnumbered = FIRST._replace(k=NO_K)
    assert identity.repeats_by(Side.PRODUCTION, ["id", "id"], [unnumbered, unnumbered]) == [None, None]


@pytest.mark.parametrize("kind", ["key", "coordinate"])
def test_a_batch_without_packed_headers_names_no_inputs(kind: str) -> None:
    identity = Identity(config(identity={"kind": kind}))
    given = batch(None, None)
    coordinates = identity.coordinates(Side.SHADOW, given, ())
    assert not any(coordinates or ())
    assert list(identity.ids(Side.SHADOW, given, coordinates)) == ([b"k0", b"k1"] if kind == "key" else [None, None])
