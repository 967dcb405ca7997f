"""The runner's range marks say what inputs cost the candidate; each counts once, in the windows that it names."""

from collections import Counter
from typing import Any

from tests.joiner.joiner_world import REVISION, World
from tests.joiner.outcome_cases import begun

OTHER = "ffeeddccbbaa99887766554433221100"


def ranged(world: World, low: int, high: int, *windows: dict[str, Any], revision: str = REVISION) -> None:
    """A range mark over these inputs, as the runner writes it."""
    counters = {"read": high, "with_output": high, "silent": 0, "absent": {}, "written": {}}
    world.mark(
        "range", input_topic="in", input_partition=0, from_offset=low, to_offset=high, counters=counters,
        windows=list(windows), revision=revision,
    )  # fmt: skip


def window(start_ms: int, read: int, over_ns: int, measured: int, over: int) -> dict[str, Any]:
    """Inputs of one window, measured against a threshold."""
    cost = {"over_ns": over_ns, "measured": measured, "over": over}
    return {"start_ms": start_ms, "read": read, "failed": 0, "cost": cost}


def counted(world: World) -> dict[tuple[int, str], dict[str, int]]:
    """By window and revision."""
    found: dict[tuple[int, str], Counter[str]] = {}
    for record in world.stats:
        for window_counts in record["windows"]:
            found.setdefault((window_counts["start_ms"], window_counts["revision"]), Counter()).update(
                window_counts["outcomes"]
            )
    return {at: dict(outcomes) for at, outcomes in found.items()}


def test_each_mark_counts_once_also_when_it_is_read_again() -> None:
    world = begun()
    ranged(world, 0, 6, window(0, 4, 3_000_000, 4, 1), window(1_000, 2, 3_000_000, 1, 0))
    world.turn()
    expected = {
        (0, REVISION): {"input": 4, "cost_measured:3ms": 4, "cost_over:3ms": 1},
        (1_000, REVISION): {"input": 2, "cost_measured:3ms": 1},
    }
    assert counted(world) == expected
    world.start_joiner()
    world.turn()
    assert counted(world) == expected
    ranged(world, 6, 8, window(1_000, 2, 3_000_000, 2, 2))
    world.turn()
    expected[1_000, REVISION] = {"input": 4, "cost_measured:3ms": 3, "cost_over:3ms": 2}
    assert counted(world) == expected


def test_a_mark_of_another_revision_counts_under_it_and_its_own_threshold() -> None:
    world = begun()
    ranged(world, 0, 1, window(0, 1, 3_000_000, 1, 1))
    ranged(world, 1, 2, window(0, 1, 1_500, 1, 1), revision=OTHER)
    ranged(world, 2, 3, {"start_ms": 0, "read": 1, "failed": 0}, revision=OTHER)
    world.turn()
    assert counted(world) == {
        (0, REVISION): {"input": 1, "cost_measured:3ms": 1, "cost_over:3ms": 1},
        (0, OTHER): {"input": 2, "cost_measured:0.0015ms": 1, "cost_over:0.0015ms": 1},
    }
