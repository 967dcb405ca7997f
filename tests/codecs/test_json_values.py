"""What the JSON reader yields the writer writes: every number digit by digit, at any depth."""

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import json_values
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.errors import CandidateError

LARGE = 101767182266078306730
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"id": LARGE}, b'{"id":101767182266078306730}'),
        (LARGE, b"101767182266078306730"),
        ([[{"a": [-LARGE, 1]}], 2**64 - 1, 2**64, -(2**63) - 1], None),
        ({"n": 10**4000}, None),
        ({"é": LARGE, "t": "naïve\n"}, None),
        (Decimal("12345678901234567.90"), b"12345678901234567.90"),
        ({"d": [Decimal("0.10"), Decimal("1E+3")], "id": LARGE}, b'{"d":[0.10,1E+3],"id":101767182266078306730}'),
    ],
)
def test_what_is_read_is_written_digit_by_digit(value: Any, text: bytes | None) -> None:
    written = json_values.write(value)
    assert text is None or written == text
    assert json.loads(written, parse_float=Decimal if b"." in written or b"E" in written else float) == value


@given(value=_values)
def test_writing_and_reading_give_the_value_back(value: Any) -> None:
    assert json.loads(json_values.write(value)) == value
    assert json_values.write(json_values.read(json_values.write(value))) == json_values.write(value)


def test_the_encoder_writes_many_with_a_large_one_among_them() -> None:
    encoder = Encoder(NoSchemas(), "scores-value", "json")
    assert encoder.encode_many([{"id": 1}, {"id": LARGE}]) == [b'{"id":1}', b'{"id":101767182266078306730}']


class Colour(IntEnum):
    RED = LARGE


@dataclass
class Score:
    id: int
    values: Any
    _seen: int = 0


def test_what_orjson_knows_is_known_beside_a_large_number() -> None:
    value = Score(LARGE, {"c": Colour.RED, "a": np.array([1, 2]), "t": (True, None)})
    assert json_values.write(value) == (
        b'{"id":101767182266078306730,"values":{"c":101767182266078306730,"a":[1,2],"t":[true,null]}}'
    )


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {2}]}, "a.1: set has no JSON form"),
        ({"a": [LARGE, {"b": b"x"}]}, "a.1.b: bytes has no JSON form"),
        ({"a": {1: 2}}, "a: the field name 1"),
        ({"a": Decimal("NaN")}, "a: NaN has no JSON form"),
        ({"a": Decimal("Infinity"), "b": LARGE}, "a: Infinity has no JSON form"),
        ({"a": 10**5000}, "a: int has no JSON form"),
        ({"a": [LARGE, float("nan")]}, "a.1: nan has no JSON form"),
    ],
)
def test_what_has_no_json_form_is_an_error_with_its_path(value: Any, where: str) -> None:
    with pytest.raises(CandidateError) as error:
        json_values.write(value)
    assert str(error.value).startswith(where)


def test_a_value_without_an_end_is_an_error() -> None:
    endless: list[Any] = [LARGE]
    endless.append(endless)
    with pytest.raises(CandidateError, match="has no JSON form"):
        json_values.write(endless)


@pytest.mark.parametrize(
    "text",
    [
        "12345678901234567.89",
        "[0.1000000000000000055, 1e5]",
        '{"n": 1e400}',
        "123456789012345678901",
        '{"a": 1, "a": 2.50}',
    ],
)
def test_a_candidate_is_given_what_pythons_own_reader_gives(text: str) -> None:
    """So code that runs in production and as the candidate writes one value, on both sides."""
    found, wanted = json_values.read(text.encode(), "plain"), json.loads(text)
    assert (repr(found), types_in(found)) == (repr(wanted), types_in(wanted))


def types_in(value: object) -> list[type]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [type(value), *(one for element in inner for one in types_in(element))]
