"""Labels for a selected part only are named, and a part that got too few of them holds the criterion back."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.label_selection import SLOTS_MAX, LabelCourse
from shadowstream.protocol.task_names import task_of
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.test_step import JudgeLoop

Hour = Callable[[int], dict[str, int]]
LABELS = {"rate": "labels", "limit": 0.6}
HOURS = 24


def labels(agree: int, agree_ended: int, differ: int, differ_ended: int) -> dict[str, int]:
    """Outcomes of an hour: labelled and ended pairs, of those that agree and of those that differ."""
    return {
        "label_both_right": agree,
        "label_candidate_only": differ,
        "label_unlabelled": agree_ended - agree + differ_ended - differ,
        "label_differ": differ_ended,
        "label_differ_unlabelled": differ_ended - differ,
    }


def judged(hour: Hour, **criterion: Any) -> dict[str, Any]:
    """The verdict over a day of 1,000 pairs an hour, whose labels are counted afterwards as the role counts them."""
    settings = config(criteria=[LABELS | criterion, {"rate": "mismatch", "limit": 0.5}])
    loop = JudgeLoop(1, settings)
    loop.step = JudgeStep(settings, REVISION, ["scores/0", task_of("scores/0")])
    day = [cell(n * HOUR_MS, match=1_000, input=1_000) for n in range(HOURS)]
    loop.give(stats("scores/0", 1, *day, complete=True))
    cells = [cell(n * HOUR_MS, **hour(n)) for n in range(HOURS)]
    loop.give(stats(task_of("scores/0"), 1, *cells, complete=True))
    return loop.evaluate()


def named(verdict: dict[str, Any]) -> list[str]:
    return [one for one in verdict["caveats"] if one.startswith("labels came for a selected part: ")]


def test_labels_of_all_parts_alike_hold_nothing_back_and_are_not_named() -> None:
    found = judged(lambda _: labels(630, 900, 70, 100))
    assert (found["decision"], named(found)) == ("promote", [])


def test_labels_that_few_differing_pairs_got_are_not_yet() -> None:
    found = judged(lambda _: labels(900, 900, 20, 100))
    assert found["decision"] == "not_yet"
    assert found["reasons"] == [
        "labels: 20 % (480 of 2,400) of the pairs whose answers differ got a label, and 100 % (21,600 of 21,600) of "
        "those whose answers agree; its min_coverage asks for 50 % of those that differ too: see for which pairs no "
        "label is written, or set a smaller min_coverage where that is meant"
    ]
    labelled = next(one for one in found["criteria"] if one["rate"] == "labels")
    assert (labelled["passed"], labelled["shown_good"], labelled["coverage"]) == (False, False, 0.92)
    assert len(named(found)) == 1
    assert judged(lambda _: labels(900, 900, 20, 100), min_coverage=0.2)["decision"] == "promote"


def test_labels_that_few_agreeing_pairs_got_are_named() -> None:
    found = judged(lambda _: labels(420, 900, 100, 100))
    assert found["decision"] == "promote"
    assert named(found) == [
        "labels came for a selected part: 100 % (2,400 of 2,400) of the pairs whose answers differ are labelled, and "
        "46.67 % (10,080 of 21,600) of those whose answers agree; see for which pairs labels are written"
    ]


@pytest.mark.parametrize("unlabelled", [range(12, 18), range(5), range(3, 24, 8)])
def test_hours_without_labels_are_not_yet(unlabelled: range) -> None:
    found = judged(lambda n: labels(0, 900, 0, 100) if n in unlabelled else labels(900, 900, 100, 100))
    assert found["decision"] == "not_yet"
    (reason,) = found["reasons"]
    first = f"{unlabelled[0]:02}:00 UTC"
    counts = f"labels: 0 % (0 of {1_000 * len(unlabelled):,}) of the pairs in {len(unlabelled)} of 24 parts of the time"
    assert reason.startswith(counts)
    assert f"first from 1970-01-01 {first}; its min_coverage asks for 50 % in each" in reason


def test_labels_that_become_rarer_are_named() -> None:
    found = judged(lambda n: labels(900, 900, 100, 100) if n < 12 else labels(540, 900, 60, 100))
    assert found["decision"] == "promote"
    assert named(found) == [
        "labels came for a selected part: 100 % (12,000 of 12,000) of the pairs before 1970-01-01 12:00 UTC are "
        "labelled, and 60 % (7,200 of 12,000) since then; see whether labels are still written, and whether "
        "labels.horizon_ms is long enough"
    ]


@pytest.mark.parametrize("seed", range(5))
def test_chance_in_small_parts_holds_nothing_back(seed: int) -> None:
    draw = random.Random(seed)

    def some(_: int) -> dict[str, int]:
        return labels(sum(draw.random() < 0.6 for _ in range(40)), 40, sum(draw.random() < 0.6 for _ in range(10)), 10)

    found = judged(some, min_coverage=0.01)
    assert (found["decision"], named(found)) == ("promote", [])
    strict = judged(some, min_coverage=0.5)
    assert not any("parts of the time" in one or "answers differ" in one for one in strict["reasons"])


def test_pairs_that_wait_have_no_label_yet() -> None:
    found = judged(lambda n: {"label_candidate_only": 30})
    assert found["decision"] == "not_yet"
    assert found["reasons"] == [
        "labels: 3 % (720 of 24,000) pairs that were scored got a label (23,280 wait for theirs); its min_coverage "
        "asks for 50 %: see whether labels come for all pairs, and for which not, or set a smaller min_coverage where "
        "that is meant"
    ]


def test_a_part_is_not_judged_by_labels_before_the_wait_is_over() -> None:
    settings = config(criteria=[LABELS, {"rate": "mismatch", "limit": 0.5}])
    loop = JudgeLoop(1, settings)
    loop.step = JudgeStep(settings, REVISION, ["scores/0", task_of("scores/0")])
    day = [cell(n * HOUR_MS, match=1_000, input=1_000) for n in range(HOURS)]
    loop.give(stats("scores/0", 1, *day, watermark_ms=HOURS * HOUR_MS))
    early = [cell(n * HOUR_MS, **labels(540, 900, 60, 100)) for n in range(12)]
    recent = [cell(n * HOUR_MS, **labels(900, 900, 100, 100)) for n in range(12, HOURS)]
    loop.give(stats(task_of("scores/0"), 1, *early, *recent, watermark_ms=12 * HOUR_MS, idle=True))
    loop.give(stats("scores/0", 2, cell(HOURS * HOUR_MS, match=1), watermark_ms=(HOURS + 1) * HOUR_MS))
    assert loop.evaluate()["outcomes"]["label_differ"] > 0
    assert named(loop.evaluate()) == []
    loop.give(stats(task_of("scores/0"), 2, watermark_ms=HOURS * HOUR_MS, idle=True))
    assert len(named(loop.evaluate())) == 1


def test_any_length_of_time_takes_bounded_memory_in_any_order() -> None:
    draw = random.Random(7)
    starts = [draw.randrange(5_000) * HOUR_MS for _ in range(1_000)]
    cells = [(start, labels(draw.randrange(9), 9, draw.randrange(3), 3)) for start in starts]
    course = LabelCourse(HOUR_MS)
    for start, figures in cells:
        course.add(start, figures)
    slots = course.settled(2**63 - 1)
    assert 1 < len(slots) <= SLOTS_MAX
    assert sum(a.ended + d.ended for _, a, d in slots) == 12_000
    draw.shuffle(cells)
    other = LabelCourse(HOUR_MS)
    for number, (start, figures) in enumerate(cells):
        other.add(start, figures)
        if number == 500:
            kept, other = other.snapshot(), LabelCourse(HOUR_MS)
            other.restore(kept)
    assert other.snapshot() == course.snapshot()
