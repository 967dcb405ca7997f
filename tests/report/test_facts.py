"""What a report is made of, bounded whatever the topics hold."""

import random
from collections import Counter
from typing import Any

import pytest

from shadowstream.report.facts import PATHS_MAX, POINTS_MAX, Examples, History, intervals
from tests.judge.stats_records import HOUR_MS, REVISION
from tests.report.trial_facts import FIRST_MS, judged, row


def differing(number: int, *paths: str, **more: Any) -> dict[str, Any]:
    return row(
        number,
        differences=[{"path": path, "kind": "value", "production": "1", "shadow": "2"} for path in paths],
        **more,
    )


def test_the_last_word_of_a_pair_counts() -> None:
    kept = Examples(REVISION, 9, 9)
    for number in range(3):
        kept.take(row(number))
    kept.take(row(2, "match", late=True, correction_of="missing"))
    kept.take(row(5, revision="cd" * 16))
    assert {one["pair_id"] for one in kept.rows} == {"scores/0/0", "scores/0/1"}
    assert kept.left == 0


@pytest.mark.parametrize("seed", range(5))
def test_of_each_path_the_same_examples_are_kept_in_any_order(seed: int) -> None:
    rows = [differing(n, *(["a"] if n % 2 else ["a", "b.c"]), *(["rare"] if n == 77 else [])) for n in range(200)]
    whole = Examples(REVISION, 100, 3)
    for one in rows:
        whole.take(one)
    random.Random(seed).shuffle(rows)
    again = Examples(REVISION, 100, 3)
    for one in rows:
        again.take(one)
    assert whole.rows == again.rows
    assert whole.left == again.left == 200 - len(whole.rows)
    by_path = Counter(difference["path"] for one in whole.rows for difference in one["differences"])
    assert by_path["a"] >= 3
    assert by_path["b.c"] >= 3
    assert by_path["rare"] == 1


def test_each_path_has_an_example_before_one_has_two() -> None:
    kept = Examples(REVISION, 3, 5)
    for n in range(50):
        kept.take(differing(n, "common"))
    for n, path in ((50, "rare"), (51, "rarest")):
        kept.take(differing(n, path))
    assert sorted(one["differences"][0]["path"] for one in kept.rows) == ["common", "rare", "rarest"]


def test_paths_are_bounded_and_the_kept_ones_independent_of_order() -> None:
    rows = [differing(n, f"items.{n}") for n in range(PATHS_MAX + 100)]
    found = []
    for order in (rows, rows[::-1]):
        kept = Examples(REVISION, 10_000, 2)
        for one in order:
            kept.take(one)
        found.append(kept.rows)
    assert found[0] == found[1]
    assert len(found[0]) == PATHS_MAX


def test_history_is_thinned_and_its_last_evaluation_is_always_there() -> None:
    verdicts, _ = judged(hours=30)
    history = History(REVISION)
    for number in range(5_003):
        history.take(verdicts[number % 30] | {"to_ms": number})
    history.take(verdicts[0] | {"revision": "of another"})
    points = history.points
    assert POINTS_MAX / 2 <= len(points) <= POINTS_MAX + 1
    assert (points[0].time_ms, points[-1].time_ms) == (0, 5_002)
    assert [one.time_ms for one in points] == sorted(one.time_ms for one in points)


def test_what_came_between_evaluations_is_merged_until_it_holds_enough() -> None:
    verdicts, _ = judged(hours=44, bad_from=40)
    history = History(REVISION)
    for verdict in verdicts:
        history.take(verdict)
    found = intervals(history.points, "mismatch", 200)
    assert {one.n for one in found} == {200}
    assert [one.s for one in found][-3:] == [0, 16, 16]
    assert found[-1].time_ms == FIRST_MS + 44 * HOUR_MS
