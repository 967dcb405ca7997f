"""A rolling deploy in mid-stream: which revision each outcome counts for."""

from __future__ import annotations

from collections import Counter

from tests.joiner.joiner_world import REVISION, World
from tests.joiner.outcome_cases import (
    P,
    S,
    begun,
    committed,
    done,
    play,
    runs,
)

NEWER = "ffeeddccbbaa99887766554433221100"


def by_revision(world: World) -> dict[str, dict[str, int]]:
    """All counts of a world so far, by revision."""
    total: dict[str, Counter[str]] = {}
    for record in world.stats:
        for window in record["windows"]:
            outcomes = {name: n for name, n in window["outcomes"].items() if not name.startswith("input")}
            total.setdefault(window["revision"], Counter()).update(outcomes)
    return {revision: dict(counts) for revision, counts in total.items() if counts}


def test_pairs_and_extras_count_for_the_revision_that_wrote_the_record() -> None:
    world = begun()
    play(world, [runs(REVISION, 0, 5), runs(NEWER, 5, 10), P("a"), S("a", of=4), P("b"),
                 S("b", of=5, revision=NEWER), S("c", of=6, revision=NEWER), committed(10),
                 {"match": 2, "extra": 1}])  # fmt: skip
    assert by_revision(world) == {REVISION: {"match": 1}, NEWER: {"match": 1, "extra": 1}}


def test_a_missing_one_counts_for_the_revision_that_ran_on_its_input() -> None:
    world = begun(identity={"kind": "coordinate", "header": "origin"})
    play(world, [runs(REVISION, 0, 5), runs(NEWER, 5, 10), P("a", of="in/0/4"), P("b", of="in/0/5"), done(10),
                 {"missing": 2}])  # fmt: skip
    assert by_revision(world) == {REVISION: {"missing": 1}, NEWER: {"missing": 1}}


def test_a_missing_record_without_input_counts_by_event_time() -> None:
    world = begun()
    play(world, [runs(REVISION, 0, 5, floor_ms=1_000), runs(NEWER, 5, 10, floor_ms=2_000), P("a", time_ms=1_000),
                 P("b", time_ms=1_001), done(10), {"missing": 2}])  # fmt: skip
    assert by_revision(world) == {REVISION: {"missing": 1}, NEWER: {"missing": 1}}
