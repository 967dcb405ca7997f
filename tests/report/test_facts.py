"""What a report is made of, bounded whatever the topics hold."""

from shadowstream.report.facts import POINTS_MAX, Examples, History, intervals
from tests.judge.stats import HOUR_MS, REVISION
from tests.report.made import FIRST_MS, judged, row


def test_the_last_word_of_a_pair_counts_and_the_newest_are_kept() -> None:
    kept = Examples(REVISION, 2)
    for number in range(4):
        kept.take(row(number))
    kept.take(row(3, "match", late=True, correction_of="mismatch"))
    assert [one["pair_id"] for one in kept.rows] == ["scores/0/2"]
    kept.take(row(5, revision="cd" * 16))
    assert [one["pair_id"] for one in kept.rows] == ["scores/0/2"]
    assert kept.left == 2


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
