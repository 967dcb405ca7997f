"""The growth benchmark runs, and its costs do not grow as they did."""

from functools import partial
from typing import Any

import pytest

from bench import growth, latency, pure, table
from bench.workloads import Workload


def test_every_point_was_measured_and_is_on_the_page() -> None:
    results = table.read(growth.RESULTS)
    found = [(row["varied"], row.get("order"), row.get("at")) for row in results["rows"]]
    waiting = [("waiting", order, count) for count in growth.WAITING for order in growth.ORDERS]
    others = [("tasks", None, n) for n in growth.TASKS] + [("mismatches", None, n) for n in growth.MISMATCHES]
    assert found == [*waiting, *others, ("idle", None, None), *(("rate", None, rate) for rate in latency.RATES)]
    assert table.DOCS.read_text("utf-8") == growth.page_with(results)


def test_the_steps_cost_is_measured_with_every_mismatch_found() -> None:
    assert pure.measure(Workload("flat-100"), 2_000, 500).mismatches == 40


def test_a_commit_does_not_name_each_waiting_record_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all that wait named anew, so many would make a commit cost some twenty times as much."""
    monkeypatch.setattr(growth, "PAIRS", 4_000)
    few, many = growth.waiting(2_000, "in"), growth.waiting(200_000, "in")
    assert many["ms_per_commit"] < 4 * few["ms_per_commit"], (few, many)


def test_a_pair_that_differs_costs_a_few_that_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were its row written by itself, it would cost some fifteen times as much."""
    monkeypatch.setattr(growth, "PAIRS", 16_000)
    agreeing, differing = (
        one["read_us_per_pair"] + one["commit_us_per_pair"] for one in map(growth.mismatching, (0, 100))
    )
    assert differing < 5 * agreeing, (agreeing, differing)


def test_tasks_and_mismatches_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "PAIRS", 4_000)
    assert growth.many_tasks(4)["at"] == 4
    assert growth.mismatching(50)["at"] == 50


def test_what_is_kept_is_the_median_of_rounds() -> None:
    costs = iter([5.0, 1.0, 2.0, 9.0, 3.0, 4.0])

    def measured(name: str) -> dict[str, Any]:
        return {"at": name, "read_us_per_pair": next(costs), "commit_us_per_pair": 0.0}

    kept = growth.in_rounds([partial(measured, name) for name in ("few", "many")])
    assert [(one["at"], one["read_us_per_pair"]) for one in kept] == [("few", 3.0), ("many", 4.0)]
