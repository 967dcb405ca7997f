"""A rolling deploy in mid-stream: which revision each outcome counts for."""

from collections import Counter

import pytest

from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.protocol import marks
from shadowstream.records import Partition
from tests.joiner.joiner_world import REVISION, World
from tests.joiner.outcome_cases import Case, P, S, begun, committed, done, play, runs

NEWER = "ffeeddccbbaa99887766554433221100"


def by_revision(world: World) -> dict[str, dict[str, int]]:
    """All counts of a world so far, by revision."""
    total: dict[str, Counter[str]] = {}
    for record in world.stats:
        for window in record["windows"]:
            outcomes = {name: n for name, n in window["outcomes"].items() if not name.startswith("input")}
            total.setdefault(window["revision"], Counter()).update(outcomes)
    return {revision: dict(counts) for revision, counts in total.items() if counts}


BOTH = runs(REVISION, 0, 5, floor_ms=1_000), runs(NEWER, 5, 10, floor_ms=2_000)
OF_EACH: dict[str, tuple[str, Case, dict[str, int]]] = {
    "pairs and extras: the one that wrote the record": ("key", [
        *BOTH, P("a"), S("a", of=4), P("b"), S("b", of=5, revision=NEWER), S("c", of=6, revision=NEWER), committed(10),
        {"match": 2, "extra": 1},
    ], {"match": 1, "extra": 1}),
    "a missing one: the one that ran on its input": ("coordinate", [
        *BOTH, P("a", of="in/0/4"), P("b", of="in/0/5"), done(10), {"missing": 2},
    ], {"missing": 1}),
    "a missing one without input: by event time": ("key", [
        *BOTH, P("a", time_ms=1_000), P("b", time_ms=1_001), done(10), {"missing": 2},
    ], {"missing": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("identity", "case", "newer"), OF_EACH.values(), ids=OF_EACH)
def test_which_revision_an_outcome_counts_for(identity: str, case: Case, newer: dict[str, int]) -> None:
    world = begun(identity={"kind": identity} | ({"header": "origin"} if identity == "coordinate" else {}))
    play(world, case)
    assert by_revision(world) == {REVISION: {name: n for name, n in newer.items() if name != "extra"}, NEWER: newer}


@pytest.mark.parametrize(
    ("partitioner", "inputs", "expected"),
    [
        ("murmur2", (0,), NEWER),  # by a key, any input may have come to the partition
        ("input", (0,), REVISION),
        ("input", (0, 2), NEWER),  # three inputs, two outputs: in/2 goes to out/0
    ],
)
def test_a_missing_record_counts_by_the_inputs_it_may_come_from(
    partitioner: str, inputs: tuple[int, ...], expected: str
) -> None:
    """Revision A has handled in/0 up to event time 1,000 and continues there; in/2 up to 500, and B continues there."""
    progress = MarksLog(REVISION)
    progress.add(marks.mark("start", REVISION, partitioners=marks.partitioners_field({"out": partitioner})))
    for partition, revision, floor_ms in ((0, REVISION, 1_000), (2, REVISION, 500), (2, NEWER, 2_000)):
        place = {"input_topic": "in", "input_partition": partition}
        progress.add(marks.mark("range", revision, from_offset=0, to_offset=1, floor_ms=floor_ms, **place))
    assert progress.revision_at_time("out", [Partition("in", n) for n in inputs], 501) == expected
