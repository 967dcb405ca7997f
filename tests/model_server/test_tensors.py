"""Records become tensors as they are configured, and no answer makes anything but an output for each record."""

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.config.model_server import Http
from shadowstream.config.tensor_types import Datatype, element
from shadowstream.errors import CandidateError
from shadowstream.model_server.failures import Unusable
from shadowstream.model_server.tensors import Tensors


def tensors(*inputs: dict[str, Any], **more: Any) -> Tensors:
    named = list(inputs) or [{"name": "x", "datatype": "FP64", "fields": ["x"]}]
    return Tensors(Http.model_validate({"url": "http://m:1", "model": "m", "inputs": named, **more}))


def test_fields_of_records_are_rows_of_their_tensors() -> None:
    made = tensors(
        {"name": "row", "datatype": "FP32", "fields": ["a", "b.c"]},
        {"name": "image", "datatype": "UINT8", "fields": ["pixels"], "shape": [2, 2], "parameters": {"p": 1}},
        {"name": "flag", "datatype": "BOOL", "fields": ["f"], "shape": [], "default": False},
        outputs=[{"name": "y", "path": "$"}],
        parameters={"threshold": 0.5},
    )
    values = [
        {"a": 1, "b": {"c": 2.5}, "pixels": [[1, 2], [3, 4]], "f": True},
        {"a": 3, "b": {"c": 4}, "pixels": [5, 6, 7, 8], "f": None},
    ]
    assert made.request([made.row(value) for value in values]) == {
        "parameters": {"threshold": 0.5},
        "inputs": [
            {"name": "row", "shape": [2, 2], "datatype": "FP32", "data": [1.0, 2.5, 3.0, 4.0]},
            {
                "name": "image",
                "shape": [2, 2, 2],
                "datatype": "UINT8",
                "parameters": {"p": 1},
                "data": [1, 2, 3, 4, 5, 6, 7, 8],
            },
            {"name": "flag", "shape": [2], "datatype": "BOOL", "data": [True, False]},
        ],
        "outputs": [{"name": "y"}],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1.0, 2.0], "x: 2 elements; tensor x takes 3"),
        ([[1.0, 2.0], [3.0, 4.0]], "x: more than 3 elements; tensor x takes 3"),
        ([1.0, None, 3.0], "x: None is no FP64"),
        ("123", "x: '123' is no FP64"),
    ],
)
def test_a_row_of_another_size_or_type_is_refused(value: Any, text: str) -> None:
    with pytest.raises(CandidateError) as refused:
        tensors({"name": "x", "datatype": "FP64", "fields": ["x"], "shape": [3]}).row({"x": value})
    assert str(refused.value) == f"InputUnusable: {text}"


INTEGERS: list[tuple[Datatype, int, int]] = [
    (datatype, low, high)
    for bits in (8, 16, 32, 64)
    for datatype, low, high in (
        (f"UINT{bits}", 0, 2**bits - 1),
        (f"INT{bits}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
    )
]  # type: ignore[misc]  # the names are made of literals


@pytest.mark.parametrize(("datatype", "low", "high"), INTEGERS)
def test_an_integer_beyond_its_type_is_refused(datatype: Datatype, low: int, high: int) -> None:
    assert (element(datatype, low), element(datatype, high)) == (low, high)
    for beyond in (low - 1, high + 1, 10**400, Decimal("1e400"), 0.5, float("inf"), True, "1"):
        with pytest.raises(ValueError, match=f"is no {datatype}"):
            element(datatype, beyond)


def answer(*rows: Any, shape: list[int], datatype: str = "FP64") -> dict[str, Any]:
    return {"outputs": [{"name": "y", "shape": shape, "datatype": datatype, "data": list(rows)}]}


def test_rows_of_an_answer_are_outputs_of_their_records() -> None:
    assert tensors().outputs(answer(1, 2.5, shape=[2, 1]), 2) == [{"y": 1.0}, {"y": 2.5}]
    placed = tensors(outputs=[{"name": "y", "path": "scores.all"}])
    assert placed.outputs(answer([1, 2], [3, 4], shape=[2, 2]), 2) == [
        {"scores": {"all": [1.0, 2.0]}},
        {"scores": {"all": [3.0, 4.0]}},
    ]
    assert tensors().outputs(answer(shape=[1, 10**12, 0]), 1) == [{"y": []}]
    whole = tensors(outputs=[{"name": "y", "path": "$"}])
    assert whole.outputs(answer(1, 2, 3, 4, shape=[1, 2, 2]), 1) == [[[1.0, 2.0], [3.0, 4.0]]]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (answer(1, shape=[2]), "holds another number of elements"),
        (answer(1, 2, 3, shape=[2]), "holds another number of elements"),
        (answer(1, 2, 3, shape=[3]), r"has the shape \[3\]; its first dimension must be 2"),
        (answer("a", "b", shape=[2]), "'a' is no FP64"),
        (answer(1, None, shape=[2]), "holds null"),
        (answer(1, 2, shape=[2], datatype="FP8"), "no data of a known datatype"),
        ({"outputs": []}, "the answer has no tensor 'y'; it has none"),
        (answer(1, 2, shape=[2]) | {"model_version": "8"}, "of version 8 of the model; candidate.http.version is 7"),
    ],
)
def test_an_answer_of_another_form_is_refused(body: dict[str, Any], text: str) -> None:
    with pytest.raises(Unusable, match=text):
        tensors(outputs=[{"name": "y"}], version="7").outputs(body, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["y", "FP64", "BYTES"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "shape", "datatype", "data", "outputs"]), inner)
    ),
    max_leaves=12,
)
FORGED = st.fixed_dictionaries({"name": st.just("y"), "shape": JSON, "datatype": JSON | st.just("FP64"), "data": JSON})


@given(JSON | st.builds(lambda tensor: {"outputs": [tensor]}, FORGED))
def test_a_forged_answer_is_refused_or_answers_each_record(body: Any) -> None:
    with contextlib.suppress(Unusable):
        assert len(tensors().outputs(body, 2)) == 2
