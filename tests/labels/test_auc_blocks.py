"""Blocks of labelled pairs: the AUC of both sides by counting every pair of labels, and each pair in one block."""

import json
import random
from collections.abc import Sequence

import pytest

from shadowstream.labels.auc_blocks import differences, ranked
from shadowstream.labels.store import WaitingEntry

Row = tuple[float | None, float | None, bool]
"""Production's answer, the candidate's, and the label."""


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The share of all pairs of a true and a false label that the scores rank right; ties are half."""
    of_true, of_false = (
        [s for s, label in zip(scores, labels, strict=True) if label == which] for which in (True, False)
    )
    return (
        sum((one > other) + (one == other) / 2 for one in of_true for other in of_false) / len(of_true) / len(of_false)
    )


def worse_by(rows: Sequence[Row]) -> float:
    """AUC of production less that of the candidate."""
    labels = [label for *_, label in rows]
    return auc([one or 0.0 for one, _, _ in rows], labels) - auc([other or 0.0 for _, other, _ in rows], labels)


def entries(rows: Sequence[Row], dice: random.Random | None = None) -> list[WaitingEntry]:
    """Rows as labelled pairs, in another order under `dice`."""
    found = [
        WaitingEntry(b"id %d" % at, 0, "scores/0", "ab", json.dumps(one), json.dumps(other), truth=json.dumps(label))
        for at, (one, other, label) in enumerate(rows)
    ]
    return dice.sample(found, len(found)) if dice else found


def drawn(dice: random.Random, size: int, positive: float = 0.3) -> list[Row]:
    rows: list[Row] = [
        (round(dice.random(), 1), round(dice.random(), 1), dice.random() < positive) for _ in range(size)
    ]
    return rows


def test_one_pair_of_the_rarer_label_gives_the_whole_auc() -> None:
    dice = random.Random(1)
    for rare in (True, False) * 20:
        rows = [*((*one[:2], not rare) for one in drawn(dice, 30)), (*drawn(dice, 1)[0][:2], rare)]
        assert differences(entries(rows)) == pytest.approx([worse_by(rows)], abs=1e-12)


def test_the_mean_of_a_block_is_the_difference_of_both_auc() -> None:
    """Each assignment of ids is another choice of blocks: over many the mean is that of all pairs of labels."""
    dice = random.Random(2)
    rows = drawn(dice, 40)
    units = [unit for _ in range(400) for unit in differences(entries(dice.sample(rows, len(rows))))]
    assert sum(units) / len(units) == pytest.approx(worse_by(rows), abs=0.02)


def test_no_order_of_reading_changes_a_block() -> None:
    dice = random.Random(3)
    rows = drawn(dice, 60)
    assert all(differences(entries(rows, dice)) == differences(entries(rows)) for _ in range(20))


def test_each_pair_is_in_one_block() -> None:
    dice = random.Random(4)
    rows = drawn(dice, 60)
    before = differences(entries(rows))
    assert len(before) == min(sum(label == which for *_, label in rows) for which in (True, False))
    for at, (one, _, label) in enumerate(rows):
        changed = [*rows[:at], (one, 2.0 if label else -1.0, label), *rows[at + 1 :]]
        blocks = [one != other for one, other in zip(before, differences(entries(changed)), strict=True)]
        assert sum(blocks) <= 1


def test_no_number_is_the_worst_answer_of_the_candidate_only() -> None:
    assert differences(entries([(0.1, None, False), (0.9, 0.9, True)])) == [1.0]
    assert differences(entries([(None, 0.9, False), (0.9, 0.1, True)])) == [0.0]
    assert differences(entries([(None, None, False), (0.1, 0.9, False), (0.9, 0.1, True)])) == [1.0]


def test_a_window_of_one_label_has_no_block() -> None:
    assert differences(entries([(0.1, 0.2, True), (0.3, 0.4, True)])) == []
    assert differences([]) == []


@pytest.mark.parametrize("label", ["2", "0.5", '"true"', "null", "[1]"])
def test_a_label_of_another_kind_ranks_nothing(label: str) -> None:
    assert ranked("0.1", "0.2", label) is None


@pytest.mark.parametrize("label", ["true", "1", "1.0"])
def test_a_true_label_is_positive_in_each_form(label: str) -> None:
    found = ranked("0.1", "true", label)
    assert found is not None
    assert (found.positive, found.shadow) == (True, 1.0)
