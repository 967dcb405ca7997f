"""Selection of inputs: a share of the keys and without excluded inputs; what is left out has an outcome of its own."""

import json
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.codecs import own
from shadowstream.protocol.outcomes import BY_CAUSE
from shadowstream.records import Batch, Headers
from shadowstream.runner.selection import is_in_sample
from tests.runner.test_step import IN, NOW_MS, config, runner

KEYS = [b"key-%d" % n for n in range(20_000)]
SAME = "tests.runner.test_selection:same"
CALL = {"call": "tests.runner.test_step:answer", "trusted": True, "partitioner": "input"}


def same(value: Any) -> Any:
    """A candidate that answers every input."""
    return {"n": 0}


def batch(values: list[Any], keys: list[bytes | None], headers: list[Headers] | None = None) -> Batch:
    offsets = range(len(values))
    raw = [json.dumps(value).encode() for value in values]
    return Batch(IN, offsets, [1_000] * len(values), keys, raw, headers or ())


def ran(inputs: Batch, **candidate: Any) -> tuple[dict[str, Any], Counter[str], list[bytes | None]]:
    """The range mark after these inputs, its absences by cause, and the keys of the outputs."""
    step = runner(candidate={**CALL, **candidate})
    assert step.step(inputs, NOW_MS) == len(inputs)
    writes, _ = step.prepare()
    (mark,) = [own.decode(one.value or b"")[1] for one in writes if one.topic.endswith(".progress")]
    causes: Counter[str] = Counter()
    for run in mark["absences"]:
        causes[run["reason"]] += run["count"]
    return mark, causes, [one.key for one in writes if ".out." in one.topic]


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.5])
def test_a_sample_holds_its_share_of_the_keys_and_each_smaller_sample(share: float) -> None:
    held = {key for key in KEYS if is_in_sample(key, share)}
    deviation = (share * (1 - share) / len(KEYS)) ** 0.5
    assert abs(len(held) / len(KEYS) - share) < 4 * deviation
    assert {key for key in KEYS if is_in_sample(key, share / 2)} < held
    assert all(is_in_sample(key, 1.0) for key in KEYS)


def test_all_inputs_of_a_key_are_answered_or_none() -> None:
    keys: list[bytes | None] = [b"k%d" % (n % 50) for n in range(200)]
    mark, causes, answered = ran(batch(["x"] * 200, keys), sample=0.3)
    held = [key for key in keys if key is not None and is_in_sample(key, 0.3)]
    assert answered == held
    assert causes == {"sampled_out": 200 - len(held)}
    assert mark["counters"]["absent"] == {"sampled_out": 200 - len(held)}
    (window,) = mark["windows"]
    assert (window["read"], window["left_out"], window["failed"]) == (200, 200 - len(held), 0)


def test_a_share_that_changes_between_batches_changes_later_inputs_only() -> None:
    step = runner(candidate={**CALL, "sample": 0.5})
    inputs = batch(["x"] * 100, KEYS[:100])
    assert step.step(inputs.part(0, 50), NOW_MS) == 50
    first = list(step.writes)
    step.selection.share = 0.1
    assert step.step(inputs.part(50, 100), NOW_MS) == 50
    assert step.writes[: len(first)] == first
    shares = [0.5] * 50 + [0.1] * 50
    held = [key for key, share in zip(KEYS, shares, strict=False) if is_in_sample(key, share)]
    assert [one.key for one in step.writes] == held
    assert step.ended["sampled_out"] == 100 - len(held)


def test_inputs_without_a_key_are_sampled_by_their_place() -> None:
    _, causes, answered = ran(batch(["x"] * 400, [None] * 400), sample=0.5)
    assert 140 < len(answered) < 260
    assert causes["sampled_out"] == 400 - len(answered)


def test_excluded_inputs_are_known_by_header_or_field() -> None:
    values = [{"kind": "test"}, {"kind": "live"}, {"kind": None}, "text", {"kind": "live", "n": 1}]
    headers: list[Headers] = [None, [("x-load", b"1")], None, [("x-load", b"0")], None]
    inputs = batch(values, [b"a", b"b", b"c", b"d", b"e"], headers)
    by_value = [{"path": "kind", "equals": "test"}, {"header": "x-load", "equals": "1"}, {"path": "n"}]
    mark, causes, answered = ran(inputs, exclude=by_value, call=SAME)
    assert causes == {"filtered": 3}
    assert answered == [b"c", b"d"]
    assert [run["offset"] for run in mark["absences"]] == [0, 4]
    assert ran(inputs, exclude=[{"path": "kind"}, {"header": "x-load"}], call=SAME)[2] == [b"c"]


def test_an_undecodable_input_is_not_excluded() -> None:
    inputs = Batch(IN, [0], [1_000], [b"a"], [b"\x00"])
    assert ran(inputs, exclude=[{"path": "kind"}])[1] == {"undecodable": 1}


def test_with_a_sample_an_output_keeps_its_inputs_key() -> None:
    inputs = batch(["two", "keyless", "x"], [b"a", b"b", b"c"])
    _, causes, answered = ran(inputs, sample=0.999999999)
    assert causes == {"error": 2}
    assert answered == [b"c"]


def test_each_cause_of_the_selection_has_an_outcome() -> None:
    assert {BY_CAUSE[cause].value for cause in ("sampled_out", "filtered")} == {"sampled_out", "filtered"}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"candidate": {**CALL, "sample": 0}}, "greater than 0"),
        ({"candidate": {**CALL, "exclude": [{"equals": "x"}]}}, "give either header or path"),
        ({"candidate": {**CALL, "sample": 0.1}, "identity": {"kind": "id", "path": "id"}}, "identity.kind coordinate"),
        ({"candidate": {**CALL, "exclude": [{"path": "a"}]}, "identity": {"kind": "occurrence"}}, "comes again"),
        ({"candidate": {"topic": "b", "group": "g", "version": "1", "sample": 0.1}}, "sample: goes with call"),
    ],
)
def test_a_selection_that_could_not_be_attributed_is_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**sections)


def test_a_mark_full_of_ids_ends_the_transaction() -> None:
    step = runner(candidate={**CALL, "sample": 0.5})
    n = 20_000
    step.step(batch(["x"] * n, [b"k%d" % i for i in range(n)]), NOW_MS)
    writes, _ = step.prepare()
    size = max(len(one.value or b"") for one in writes if one.topic.endswith(".progress"))
    assert 0.5 < size / step.mark_bytes() < 1.2
