"""Conservation on two paths: what the runner says it wrote against what a task has read."""

from typing import Any

import pytest

from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.conservation import RouteLedger, inputs_lines, records_lines, routes_lines
from shadowstream.joiner.completeness.marks_log import DoneMark
from shadowstream.protocol.headers import PackedHeader
from shadowstream.protocol.marks import Counters
from shadowstream.records import InputCoordinate, Partition
from tests.joiner.joiner_world import REVISION

IN, OTHER, OUT, SHADOW = Partition("in", 0), Partition("in", 1), Partition("out", 0), Partition("shadow.t.out.out", 0)


def read(routes: RouteLedger, *offsets: int, partition: int = 0) -> None:
    """Shadow records of these inputs are read."""
    routes.count([PackedHeader(REVISION[:16], InputCoordinate(0, partition, offset, 0), 0, 0) for offset in offsets])


def mark(offset: int, written: int, of: Partition = IN) -> DoneMark:
    return DoneMark(of, offset, {SHADOW: 0}, Counters(written={str(OUT): written, "out/1": 99}))  # type: ignore[arg-type]  # a Counter's plain form


def remainder(routes: RouteLedger) -> dict[str, int]:
    return {line["place"]: line["expected"] - line["counted"] for line in routes_lines(routes, str(SHADOW))}


def routes() -> RouteLedger:
    return RouteLedger(["in"], OUT)


@pytest.mark.parametrize(("offsets", "rest"), [((0, 1, 2), 0), ((0, 2), 1)], ids=["all", "all but one"])
def test_what_was_written_below_the_mark_has_been_read(offsets: tuple[int, ...], rest: int) -> None:
    counted = routes()
    read(counted, *offsets)
    counted.check(mark(3, written=3))
    assert remainder(counted) == {"in/0 -> shadow.t.out.out/0": rest}


def test_records_of_inputs_at_or_beyond_the_mark_do_not_count() -> None:
    counted = routes()
    read(counted, 0, 1, 2, 3, 3)
    for offset, written in ((1, 1), (3, 3), (4, 5)):
        counted.check(mark(offset, written))
        assert set(remainder(counted).values()) == {0}


def test_each_input_partition_is_a_route_of_its_own() -> None:
    counted = routes()
    read(counted, 0, 1)
    read(counted, 0, partition=1)
    counted.check(mark(2, written=2))
    counted.check(mark(1, written=2, of=OTHER))
    assert remainder(counted) == {"in/0 -> shadow.t.out.out/0": 0, "in/1 -> shadow.t.out.out/0": 1}


def test_a_record_without_a_header_has_no_route() -> None:
    counted = routes()
    counted.count([None])
    counted.check(mark(2, written=0))
    assert set(remainder(counted).values()) == {0}


def test_after_a_restart_later_marks_replace_those_below_the_position() -> None:
    before = routes()
    read(before, 0, 1, 2, 3)
    before.check(mark(2, written=2))
    after = routes()
    after.restore(before.snapshot())
    assert remainder(after) == remainder(before)
    after.check(mark(3, written=3))
    assert set(remainder(after).values()) == {0}, "how many of the four lie below input 3 cannot be told any more"
    read(after, 4)
    after.check(mark(4, written=5))
    assert set(remainder(after).values()) == {1}
    after.check(mark(5, written=5))
    assert set(remainder(after).values()) == {0}


def test_a_tail_beyond_its_bound_leaves_only_early_marks_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conservation, "_TAIL_MAX", 4)
    counted = routes()
    read(counted, *range(10))
    counted.check(mark(3, written=3))
    assert remainder(counted) == {}
    counted.check(mark(8, written=8))
    assert set(remainder(counted).values()) == {0}
    counted.check(mark(10, written=11))
    assert set(remainder(counted).values()) == {1}


def _of(counters: Counters, by_window: int) -> list[dict[str, Any]]:
    return inputs_lines("in/0", counters.read, counters.ended(), by_window)


def test_every_input_ends_with_an_output_silent_or_absent() -> None:
    whole = Counters(10, 5, 2, absent={"error": 2, "timeout": 1})  # type: ignore[arg-type]  # a Counter's plain form
    assert [line["expected"] - line["counted"] for line in _of(whole, 10)] == [0, 0]
    assert [line["expected"] - line["counted"] for line in _of(whole, 9)] == [0, 1]
    lost = Counters(10, 5, 1, absent={"error": 2, "timeout": 1})  # type: ignore[arg-type]  # a Counter's plain form
    assert [line["expected"] - line["counted"] for line in _of(lost, 10)] == [1, 0]


def test_every_record_that_was_read_has_ended_or_waits() -> None:
    lines = records_lines([str(OUT), str(SHADOW)], [10, 8], [7, 8], [3, 1])
    assert [(line["place"], line["expected"] - line["counted"]) for line in lines] == [("out/0", 0), (str(SHADOW), -1)]
