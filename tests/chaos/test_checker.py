"""The checker sees one record lost, doubled or invented, and one count that is off, in what a real run has written."""

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest

from tests.chaos import reader
from tests.chaos.reader import CommittedRecords
from tests.chaos.run import LoadedTrial, RunFigures
from tests.pipeline.trial_fixture import ROOT

Damage = Callable[[CommittedRecords], None]


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


def lose_row(seen: CommittedRecords) -> None:
    del seen.diff[row(seen, "match")]


def double_row(seen: CommittedRecords) -> None:
    seen.diff.append(seen.diff[row(seen, "missing")])


def invent_row(seen: CommittedRecords) -> None:
    seen.diff.append({**seen.diff[0], "pair_id": "elsewhere/0/0", "key": b"phantom-1"})


def change_outcome(seen: CommittedRecords) -> None:
    at = row(seen, "mismatch")
    seen.diff[at] = {**seen.diff[at], "outcome": "match"}


def swap_pairs(seen: CommittedRecords) -> None:
    one, two = seen.diff[:2]
    seen.diff[:2] = {**one, "pair_id": two["pair_id"]}, {**two, "pair_id": one["pair_id"]}


def correct_nothing(seen: CommittedRecords) -> None:
    at = row(seen, "match")
    seen.diff[at] = {**seen.diff[at], "correction_of": "missing"}


def differ_elsewhere(seen: CommittedRecords) -> None:
    at = row(seen, "mismatch")
    seen.diff[at] = {**seen.diff[at], "differences": []}


def double_shadow(seen: CommittedRecords) -> None:
    seen.shadow.append(replace(seen.shadow[0], offset=10**9))


def lose_shadow(seen: CommittedRecords) -> None:
    del seen.shadow[5]


def show_aborted_input(seen: CommittedRecords) -> None:
    seen.inputs.append(replace(seen.inputs[0], key=b"phantom-1"))


def lose_delta(seen: CommittedRecords) -> None:
    del seen.stats[delta(seen)]


def double_delta(seen: CommittedRecords) -> None:
    at = delta(seen)
    seen.stats.insert(at, seen.stats[at])


def count_one_more(seen: CommittedRecords) -> None:
    record = seen.stats[delta(seen)] = deepcopy(seen.stats[delta(seen)])
    outcomes = record["windows"][0]["outcomes"]
    outcomes["match"] = outcomes.get("match", 0) + 1


def count_in_another_window(seen: CommittedRecords) -> None:
    record = seen.stats[delta(seen)] = deepcopy(seen.stats[delta(seen)])
    record["windows"][0]["start_ms"] += 60_000


def unbalance(seen: CommittedRecords) -> None:
    seen.stats[-1] = deepcopy(seen.stats[-1])
    seen.stats[-1]["ledgers"][0]["counted"] += 1


def leave_pending(seen: CommittedRecords) -> None:
    seen.stats[-1] = {**seen.stats[-1], "pending": 1}


def judge_one_more(seen: CommittedRecords) -> None:
    outcomes = seen.verdict["outcomes"]
    seen.verdict = {**seen.verdict, "outcomes": {**outcomes, "match": outcomes["match"] + 1}}


def judge_nothing(seen: CommittedRecords) -> None:
    seen.verdict = {**seen.verdict, "to_ms": None}


LOST, DOUBLE, ALIEN, WRONG = "lost", "double", "alien", "wrong"
DAMAGE: dict[Damage, set[tuple[str, str]]] = {
    lose_row: {("outcomes", LOST), ("", WRONG)},
    double_row: {("outcomes", DOUBLE), ("", WRONG)},
    invent_row: {("outcomes", ALIEN), ("", WRONG)},
    change_outcome: {("outcomes", LOST), ("outcomes", ALIEN), ("", WRONG)},
    swap_pairs: {("outcomes", LOST), ("outcomes", ALIEN)},
    differ_elsewhere: {("", WRONG)},
    correct_nothing: {("", WRONG)},
    double_shadow: {("shadow", DOUBLE)},
    lose_shadow: {("shadow", LOST)},
    show_aborted_input: {("inputs", ALIEN)},
    lose_delta: {("", WRONG)},
    double_delta: {("", WRONG)},
    count_one_more: {("", WRONG)},
    count_in_another_window: {("", WRONG)},
    unbalance: {("", WRONG)},
    leave_pending: {("", WRONG)},
    judge_one_more: {("", WRONG)},
    judge_nothing: {("", WRONG)},
}


def test_what_was_not_damaged_is_right(played: tuple[LoadedTrial, RunFigures], seen: CommittedRecords) -> None:
    report = played[0].check(seen)
    assert report.right, report.table()


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda one: one.__name__)
def test_the_checker_sees_one_record_of_thousands(
    damage: Damage, played: tuple[LoadedTrial, RunFigures], seen: CommittedRecords
) -> None:
    whole = {name: list(part) if isinstance(part, list) else part for name, part in vars(seen).items()}
    damaged = CommittedRecords(**whole)
    damage(damaged)
    report = played[0].check(damaged)
    found = {
        (name, kind) for name, one in report.accounts.items() for kind in (LOST, DOUBLE, ALIEN) if getattr(one, kind)
    } | ({("", WRONG)} if report.wrong else set())
    assert found == DAMAGE[damage], report.table()
    assert not report.right


def test_the_checker_and_its_truth_know_nothing_of_the_roles() -> None:
    ask = "import sys, tests.chaos.checker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    roles = tuple(f"shadowstream.{room}" for room in ("joiner", "judge", "kafka", "codecs"))
    assert [module for module in loaded.split() if module.startswith(roles)] == []
