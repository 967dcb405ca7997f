"""The candidate in its own process answers as in the runner's, and what it cannot send back is refused."""

import contextlib
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs.far_times import FarTime
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.config import Config
from shadowstream.errors import CandidateDown, CandidateError
from shadowstream.runner.candidate import load
from shadowstream.runner.cpu_cost import Meter
from shadowstream.runner.outputs import BARE, Output
from shadowstream.worker.isolated import ANSWER_BYTES_MAX, CallNotes, IsolatedCandidate
from shadowstream.worker.values import DIGITS_MAX, NESTING_MAX, Room, packed, packed_result, unpacked
from tests.least_config import least_config

VALUES: list[Any] = [
    None, True, 7, -(2**70), 1.5, float("inf"), "é\ud800", b"\x00\xff", [1, [2]], {"a": {"b": None}, 5: 1}, (1, "two"),
    Decimal("-1.50"), Decimal("NaN"), UUID(int=9), datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC), date(1, 1, 1),
    datetime(9999, 12, 31, tzinfo=timezone(timedelta(hours=-3))), time(23, 59, 59, 999_999),
    timedelta(days=-3, microseconds=1),
    ExactFloat(Decimal("0.10000000000000000001")), FarTime(253_402_300_800_000, 1_000_000), FarTime(7, Fraction(1, 3)),
]  # fmt: skip
ACTS = ["value", "none", "two", "raises", "exits", "bad key", "object"]


def config(call: str, **more: Any) -> Config:
    return least_config(candidate={"call": f"tests.worker.echoing:{call}", **more})


def isolated(settings: Config, meter: Meter | None = None) -> contextlib.closing[IsolatedCandidate]:
    candidate = IsolatedCandidate(settings, meter, CallNotes(lambda _: None, lambda *_: None))
    candidate.start()
    return contextlib.closing(candidate)


def shown(results: list[Any]) -> list[Any]:
    """Results that can be compared: errors by their text, numbers and times with their types."""
    return [
        f"error {one}" if isinstance(one, CandidateError) else repr([Output(one)] if type(one) in BARE else one)
        for one in results
    ]


@pytest.mark.parametrize(("call", "takes"), [("echo", "value"), ("echoes", "batch")])
def test_results_are_those_of_a_candidate_inside_the_runner(call: str, takes: str) -> None:
    inputs = [*VALUES, *ACTS]
    inside = config(call, takes=takes, isolation="in-process", trusted=True)
    expected = load(inside.candidate)(inputs)
    with isolated(config(call, takes=takes)) as candidate:
        assert shown(candidate.call(inputs)) == shown(expected)


@given(st.recursive(st.sampled_from(VALUES[:-2]), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    assert repr(unpacked(packed(value))) == repr(value)


@given(st.binary())
def test_forged_bytes_make_a_value_or_an_error_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(ValueError, TypeError, ArithmeticError, UnicodeError):
        json.dumps(unpacked(data), default=repr, skipkeys=True)


@pytest.mark.parametrize("levels", [NESTING_MAX + 1, 5_000])
def test_forged_nesting_is_refused_before_it_fills_the_stack(levels: int) -> None:
    data = msgpack.packb([])
    for _ in range(levels):
        data = b"\x91" + msgpack.packb(msgpack.ExtType(1, data))
    with pytest.raises(ValueError, match="its tuples are nested more than"):
        unpacked(data)


def test_a_forged_decimal_is_refused_by_its_length() -> None:
    with pytest.raises(ValueError, match="no value has the code 3 and 1000000 bytes"):
        unpacked(msgpack.packb(msgpack.ExtType(3, b"9" * 1_000_000)))


def test_an_output_that_cannot_be_sent_fails_by_itself() -> None:
    with isolated(config("odd")) as candidate:
        results = candidate.call(["a", "object", "long", "digits", "deep", "b"])
    texts = [str(one) if isinstance(one, CandidateError) else one for one in results]
    assert texts == [
        "a",
        "output refused: TypeError: Odd is no plain value",
        "output refused: longer than the 1900000 bytes that can be sent",
        f"output refused: ValueError: a decimal has at most {DIGITS_MAX} digits before or behind the point",
        f"output refused: ValueError: its tuples are nested more than {NESTING_MAX} levels deep",
        "b",
    ]
    assert str(unpacked(packed_result(b"12345", 3))).startswith("output refused: 7 bytes")


@pytest.mark.parametrize(("call", "takes"), [("large", "value"), ("large_ones", "batch")])
def test_of_many_large_outputs_the_first_ones_come_back(call: str, takes: str) -> None:
    meter = Meter(lambda: 0, -1)
    with isolated(config(call, takes=takes), meter) as candidate:
        results = candidate.call(list(range(80)))
    assert set(results) == {b"x" * 900_000}
    assert ANSWER_BYTES_MAX <= len(results) * 900_000 < 2 * ANSWER_BYTES_MAX


def test_the_cost_of_each_call_is_measured_in_the_candidates_process() -> None:
    meter = Meter(lambda: 0, -1)
    with isolated(config("echo"), meter) as candidate:
        results = candidate.call(list(range(600)))
    costs: dict[int, list[int]] = {}
    meter.count(costs, [0] * 600, results, 1_000)
    assert costs == {0: [600, 600]}


def test_an_end_of_the_process_ends_the_state_of_all_partitions() -> None:
    settings = least_config(
        candidate={"call": "tests.worker.hostile:Counting", "state": "snapshot", "partitioner": "input"}
    )
    with isolated(settings) as candidate:
        first, second = candidate.make(), candidate.make()
        assert first.call([{"n": 1}, {"n": 2}]) == [{"seen": 1}, {"seen": 2}]
        snapshot = first.object.snapshot()
        assert snapshot == b"2"
        with pytest.raises(CandidateDown) as down:
            second.call([{"n": 3, "act": "exits"}])
        assert (down.value.state_lost, down.value.absence) == (True, "crashed")
        with pytest.raises(CandidateDown) as lost:
            first.call([{"n": 4}])
        assert (lost.value.state_lost, lost.value.absence) == (True, None)
        again = candidate.make()
        again.object.restore(snapshot)
        assert again.call([{"n": 5}]) == [{"seen": 3}]
        candidate.forget()
        with pytest.raises(CandidateDown):
            again.call([{"n": 6}])


def test_a_module_beside_the_candidate_does_not_run_before_the_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resource.py").write_text("from pathlib import Path\nPath('ran').write_text('unbounded')\n")
    monkeypatch.chdir(tmp_path)
    with isolated(config("echo")) as candidate:
        assert candidate.call([7]) == [7]
    assert not Path("ran").exists()


def test_answers_claim_no_more_than_they_hold_and_there_is_room_for() -> None:
    inner = msgpack.packb(msgpack.ExtType(1, b"\x94" + b"\x90" * 4))
    for data in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", (b"\xdd" + (9_000).to_bytes(4)) * 900):
        with pytest.raises(ValueError, match="cut off"):
            unpacked(data)
    for data in (b"\x9a" + b"\x90" * 10, b"\x8a" + b"".join(bytes((n, 0x80)) for n in range(10)), b"\x92" + inner * 2):
        with pytest.raises(ValueError, match="more lists and objects than are read"):
            unpacked(data, Room(9))
