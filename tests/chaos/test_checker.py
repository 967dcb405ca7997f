"""The checker sees one record lost, doubled or invented, and one count that is off, in what a real run has written."""

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos import reader
from tests.chaos.reader import CommittedRecords
from tests.chaos.run import LoadedTrial, RunFigures
from tests.pipeline.trial_fixture import ROOT

Damage = Callable[[CommittedRecords], object]


@pytest.fixture(scope="module")
def seen(played: tuple[LoadedTrial, RunFigures]) -> CommittedRecords:
    loaded, _ = played
    return reader.read(loaded.trial, loaded.direct)


def row(seen: CommittedRecords, outcome: str) -> int:
    """Where the first row of an outcome stands."""
    return next(i for i, one in enumerate(seen.diff) if one["outcome"] == outcome)


def delta(seen: CommittedRecords) -> int:
    """Where a stats record with counts stands, and not the first."""
    return next(i for i, one in enumerate(seen.stats) if one["windows"] and one["seq"] > 1)


def changed(rows: list[dict[str, Any]], at: int, **fields: Any) -> None:
    """Change fields of a record, in a copy of it."""
    rows[at] = {**rows[at], **fields}


def swap_pairs(seen: CommittedRecords) -> None:
    one, two = (row["pair_id"] for row in seen.diff[:2])
    changed(seen.diff, 0, pair_id=two)
    changed(seen.diff, 1, pair_id=one)


def window_changed(change: Callable[[dict[str, Any]], None]) -> Damage:
    def damage(seen: CommittedRecords) -> None:
        record = seen.stats[delta(seen)] = deepcopy(seen.stats[delta(seen)])
        change(record["windows"][0])

    return damage


def unbalance(seen: CommittedRecords) -> None:
    seen.stats[-1] = deepcopy(seen.stats[-1])
    seen.stats[-1]["ledgers"][0]["counted"] += 1


def judged(**fields: Any) -> Damage:
    return lambda seen: setattr(seen, "verdict", {**seen.verdict, **fields})


def judge_one_more(seen: CommittedRecords) -> None:
    outcomes = seen.verdict["outcomes"]
    judged(outcomes={**outcomes, "match": outcomes["match"] + 1})(seen)


LOST, DOUBLE, ALIEN, WRONG = "lost", "double", "alien", ("", "wrong")
DAMAGE: dict[str, tuple[Damage, set[tuple[str, str]]]] = {
    "lose_row": (lambda seen: seen.diff.pop(row(seen, "match")), {("outcomes", LOST), WRONG}),
    "double_row": (lambda seen: seen.diff.append(seen.diff[row(seen, "missing")]), {("outcomes", DOUBLE), WRONG}),
    "invent_row": (
        lambda seen: seen.diff.append({**seen.diff[0], "pair_id": "elsewhere/0/0", "key": b"phantom-1"}),
        {("outcomes", ALIEN), WRONG},
    ),
    "change_outcome": (
        lambda seen: changed(seen.diff, row(seen, "mismatch"), outcome="match"),
        {("outcomes", LOST), ("outcomes", ALIEN), WRONG},
    ),
    "swap_pairs": (swap_pairs, {("outcomes", LOST), ("outcomes", ALIEN)}),
    "differ_elsewhere": (lambda seen: changed(seen.diff, row(seen, "mismatch"), differences=[]), {WRONG}),
    "correct_nothing": (lambda seen: changed(seen.diff, row(seen, "match"), correction_of="missing"), {WRONG}),
    "double_shadow": (lambda seen: seen.shadow.append(replace(seen.shadow[0], offset=10**9)), {("shadow", DOUBLE)}),
    "lose_shadow": (lambda seen: seen.shadow.pop(5), {("shadow", LOST)}),
    "show_aborted_input": (
        lambda seen: seen.inputs.append(replace(seen.inputs[0], key=b"phantom-1")),
        {("inputs", ALIEN)},
    ),
    "lose_delta": (lambda seen: seen.stats.pop(delta(seen)), {WRONG}),
    "double_delta": (lambda seen: seen.stats.insert(delta(seen), seen.stats[delta(seen)]), {WRONG}),
    "count_one_more": (
        window_changed(lambda one: one["outcomes"].update(match=one["outcomes"].get("match", 0) + 1)),
        {WRONG},
    ),
    "count_in_another_window": (
        window_changed(lambda one: one.update(start_ms=one["start_ms"] + 60_000)),
        {WRONG},
    ),
    "unbalance": (unbalance, {WRONG}),
    "leave_pending": (lambda seen: changed(seen.stats, -1, pending=1), {WRONG}),
    "judge_one_more": (judge_one_more, {WRONG}),
    "judge_nothing": (judged(to_ms=None), {WRONG}),
}


def test_what_was_not_damaged_is_right(played: tuple[LoadedTrial, RunFigures], seen: CommittedRecords) -> None:
    report = played[0].check(seen)
    assert report.right, report.table()


@pytest.mark.parametrize(("damage", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_the_checker_sees_one_record_of_thousands(
    damage: Damage, expected: set[tuple[str, str]], played: tuple[LoadedTrial, RunFigures], seen: CommittedRecords
) -> None:
    whole = {name: list(part) if isinstance(part, list) else part for name, part in vars(seen).items()}
    damaged = CommittedRecords(**whole)
    damage(damaged)
    report = played[0].check(damaged)
    kinds = ((name, kind) for name in report.accounts for kind in (LOST, DOUBLE, ALIEN))
    found = {(name, kind) for name, kind in kinds if getattr(report.accounts[name], kind)}
    assert found | ({WRONG} if report.wrong else set()) == expected, report.table()
    assert not report.right


def test_the_checker_and_its_truth_know_nothing_of_the_roles() -> None:
    ask = "import sys, tests.chaos.checker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    roles = tuple(f"shadowstream.{room}" for room in ("joiner", "judge", "kafka", "codecs"))
    assert [module for module in loaded.split() if module.startswith(roles)] == []
