"""What a report is made of, bounded whatever the topics hold."""

import random
from collections import Counter
from typing import Any

import pytest

from shadowstream.report.facts import PATHS_MAX, POINTS_MAX, Examples, History, about, intervals, until
from tests.judge.stats_records import HOUR_MS, REVISION
from tests.least_config import least_config
from tests.report.trial_facts import FIRST_MS, judged, row


def differing(number: int, *paths: str, **more: Any) -> dict[str, Any]:
    differences = [{"path": path, "kind": "value", "production": "1", "shadow": "2", "delta": None} for path in paths]
    return row(number, differences=differences, **more)


def kept_of(rows: list[dict[str, Any]], *bounds: int) -> Examples:
    kept = Examples(REVISION, *bounds)
    for one in rows:
        kept.take(one)
    return kept


def test_the_last_word_of_a_pair_counts() -> None:
    last, of_another = row(2, "match", late=True, correction_of="missing"), row(5, revision="cd" * 16)
    kept = kept_of([*map(row, range(3)), last, of_another], 9, 9)
    assert {one["pair_id"] for one in kept.rows} == {"scores/0/0", "scores/0/1"}
    assert kept.left == 0


@pytest.mark.parametrize("seed", range(5))
def test_of_each_path_the_same_examples_are_kept_in_any_order(seed: int) -> None:
    rows = [differing(n, *(["a"] if n % 2 else ["a", "b.c"]), *(["rare"] if n == 77 else [])) for n in range(200)]
    whole = kept_of(rows, 100, 3)
    random.Random(seed).shuffle(rows)
    again = kept_of(rows, 100, 3)
    assert whole.rows == again.rows
    assert whole.left == again.left == 200 - len(whole.rows)
    by_path = Counter(difference["path"] for one in whole.rows for difference in one["differences"])
    assert by_path["a"] >= 3
    assert by_path["b.c"] >= 3
    assert by_path["rare"] == 1


def test_each_path_has_an_example_before_one_has_two() -> None:
    kept = kept_of([*(differing(n, "common") for n in range(50)), differing(50, "rare"), differing(51, "rarest")], 3, 5)
    assert sorted(one["differences"][0]["path"] for one in kept.rows) == ["common", "rare", "rarest"]


def test_paths_are_bounded_and_the_kept_ones_independent_of_order() -> None:
    rows = [differing(n, f"items.{n}") for n in range(PATHS_MAX + 100)]
    one, other = (kept_of(order, 10_000, 2).rows for order in (rows, rows[::-1]))
    assert one == other
    assert len(one) == PATHS_MAX


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


def test_a_report_holds_numbers_of_the_verdicts_moment_only() -> None:
    verdicts, drift = judged()
    history = History(REVISION)
    for verdict in verdicts:
        history.take(verdict)
    early, last = verdicts[30], verdicts[-1]
    points, events = until(early, history.points, drift)
    assert (points[-1].time_ms, events) == (early["to_ms"], [])
    assert {event["event"] for event in until(last, history.points, drift)[1]} >= {"opened"}
    later = [{**event, "window_end_ms": last["to_ms"] + 1} for event in drift]
    assert {event["incident"] for event in until(last, (), later)[1]} == set(last["incidents_open"])
    assert until(None, history.points, drift) == ([], drift)


@pytest.mark.parametrize(
    ("candidate", "shown"),
    [
        ({"http": {"url": "http://models:8080/score", "protocol": "json"}, "version": "1"}, "http://models:8080/score"),
        ({"pickle": {"path": "model.pkl", "sha256": "0" * 64}}, "model.pkl"),
        ({"call": "model:score"}, "model:score"),
    ],
)
def test_a_report_names_every_kind_of_candidate(candidate: dict[str, Any], shown: str) -> None:
    assert shown in about(least_config(candidate=candidate), None, "trial.yaml", "", 0)["candidate"]
