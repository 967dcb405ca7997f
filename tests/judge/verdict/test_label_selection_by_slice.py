"""Labels that came for some slices only are named, and a slice that got too few holds the criterion back."""

import random
from typing import Any

import pytest

from shadowstream.codecs.own import decode
from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from shadowstream.labels.parts import LabelledParts
from shadowstream.labels.step import LabelStep
from shadowstream.labels.store import MemoryStore
from shadowstream.protocol.task_names import task_of
from shadowstream.records import Partition
from tests.judge.stats_records import HOUR_MS, REVISION, cell, stats
from tests.judge.stats_records import config as plain
from tests.judge.test_step import JudgeLoop
from tests.judge.trials_through_the_joiner import joined, trial

HOURS = 24
CRITERIA = [{"rate": "labels", "limit": 0.6}, {"rate": "mismatch", "limit": 0.5}]
Shares = dict[str, tuple[int, int]]
"""Labelled and ended pairs of an hour by tenant."""


def config(dimensions: tuple[str, ...] = ("tenant",), values_max: int = 100, **judge: Any) -> Config:
    settings = plain(**{"criteria": CRITERIA, **judge}).model_dump(exclude_unset=True)
    named = [{"name": one, "path": one} for one in dimensions]
    return Config.model_validate(settings | {"compare": {"dimensions": named, "values_max": values_max}})


def value(name: str, labelled: int, ended: int, dimension: str = "tenant") -> dict[str, Any]:
    figures = {"label_pairs": ended, "label_unlabelled": ended - labelled}
    return {"dimension": dimension, "value": name, "figures": figures}


def judged(shares: Shares, settings: Config | None = None, restart: bool = False) -> dict[str, Any]:
    """The verdict over a day whose labels are counted afterwards, as the labels role counts them."""
    settings = settings or config()
    loop = JudgeLoop(1, settings)
    loop.step = JudgeStep(settings, REVISION, ["scores/0", task_of("scores/0")])
    day = [cell(n * HOUR_MS, match=1_000, input=1_000) for n in range(HOURS)]
    loop.give(stats("scores/0", 1, *day, complete=True))
    labelled, ended = (sum(one[at] for one in shares.values()) for at in (0, 1))
    outcomes = {"label_both_right": labelled // 2, "label_candidate_only": labelled - labelled // 2}
    outcomes |= {"label_unlabelled": ended - labelled}
    cells = [cell(n * HOUR_MS, **outcomes) for n in range(HOURS)]
    values = [value(name, *share) for name, share in shares.items()]
    cells = [one | {"values": values} for one in cells]
    loop.give(stats(task_of("scores/0"), 1, *cells, complete=True))
    if restart:
        before = loop.step.state()
        loop.step = JudgeStep(settings, REVISION, ["scores/0", task_of("scores/0")])
        loop.step.restore(before)
    return loop.evaluate()


def named(verdict: dict[str, Any]) -> list[str]:
    return [one for one in verdict["caveats"] if one.startswith("labels came for") and "tenant=" in one]


@pytest.mark.parametrize("restart", [False, True])
def test_a_slice_with_few_labels_is_not_yet_and_named(restart: bool) -> None:
    found = judged({"eu": (460, 500), "us": (15, 500)}, restart=restart)
    assert found["decision"] == "not_yet"
    (reason,) = [one for one in found["reasons"] if "tenant=us" in one]
    assert reason.startswith("labels: 3 % (360 of 12,000) of the pairs of slice tenant=us got a label")
    (caveat,) = named(found)
    assert caveat.startswith("labels came for 92 % of tenant=eu and 3 % of tenant=us ")


@pytest.mark.parametrize(
    "shares",
    [
        {"eu": (450, 500), "us": (452, 500)},
        {"eu": (500, 500), "us": (500, 500), "asia": (4, 4)},
        {"eu": (594, 990), "us": (6, 10)},
    ],
)
def test_slices_that_got_labels_alike_are_not_named(shares: Shares) -> None:
    found = judged(shares)
    assert (found["decision"], named(found)) == ("promote", [])


def test_a_small_slice_that_got_all_or_few_is_distinguished_from_chance() -> None:
    assert "and 60 % of tenant=us" in named(judged({"eu": (490, 500), "us": (300, 500)}))[0]
    assert "100 % of tenant=small" in named(judged({"eu": (600, 1_000), "small": (10, 10)}))[0]
    found = judged({"eu": (900, 900), "small": (0, 20)})
    assert found["decision"] == "not_yet"
    assert any("slice tenant=small" in one for one in found["reasons"])


def test_where_slices_decide_nothing_it_is_a_caveat() -> None:
    found = judged({"eu": (460, 500), "us": (15, 500)}, config(slices="show"))
    assert found["decision"] != "not_yet" or not any("tenant=us" in one for one in found["reasons"])
    assert any("of the pairs of slice tenant=us got a label" in one for one in found["caveats"])


def test_a_smaller_min_coverage_means_that_it_is_meant() -> None:
    settings = config(criteria=[CRITERIA[0] | {"min_coverage": 0.01}, CRITERIA[1]])
    assert judged({"eu": (460, 500), "us": (15, 500)}, settings)["decision"] == "promote"


def test_values_beyond_the_limit_are_one_slice_and_low_ones_a_number() -> None:
    shares: Shares = {f"t{n}": (1, 40) for n in range(30)} | {"eu": (900, 900)}
    found = judged(shares)
    low = [one for one in found["reasons"] if "slice tenant=" in one or "more slices of tenant" in one]
    assert len(low) == 6
    assert "25 more slices of tenant" in low[-1]
    few = judged(shares, config(values_max=3))
    assert sum("slice tenant=" in one for one in few["reasons"]) <= 4
    assert any("tenant=(other)" in one for one in few["reasons"])


@pytest.mark.parametrize("values_max", [1, 3, 50])
def test_the_role_bounds_its_values_and_loses_no_pair(values_max: int) -> None:
    parts = LabelledParts(config(("tenant", "kind"), values_max))
    draw = random.Random(values_max)
    for _ in range(1_000):
        parts.add(("scores/0", 0, "ab"), (f"t{draw.randrange(40)}", draw.choice("ab")), labelled=draw.random() < 0.5)
    found = parts.of(("scores/0", 0, "ab"))
    for dimension in ("tenant", "kind"):
        mine = [one["figures"] for one in found if one["dimension"] == dimension]
        assert len(mine) <= values_max + 1
        assert sum(one["label_pairs"] for one in mine) == 1_000
    parts.clear()
    assert parts.of(("scores/0", 0, "ab")) == []


def test_a_pair_of_an_older_joiner_counts_without_a_slice() -> None:
    parts = LabelledParts(config())
    parts.add(("scores/0", 0, "ab"), (), labelled=True)
    assert parts.of(("scores/0", 0, "ab")) == []


@pytest.mark.parametrize("restart", [False, True])
def test_what_the_joiner_scores_names_its_slice_to_the_end(restart: bool) -> None:
    """Joiner, labels role and their restart: pairs of both tenants, labels for one of them."""
    dimensions = {"dimensions": [{"name": "tenant", "path": "tenant"}, {"name": "k", "path": "k"}]}
    late = {"labels": {"topic": "late", "path": "s", "horizon_ms": 1_000}}
    settings = trial([{"rate": "mismatch", "limit": 0.05}], compare=dimensions, bounded=True, **late)

    def answer(i: int) -> dict[str, Any]:
        return {"s": i % 5, "tenant": "eu" if i % 2 else "us", "k": None}

    world = joined(settings, answer, answer, 500)
    scored = [record for record in world.diff if "parts" in record]
    assert len(scored) == 500
    store = MemoryStore()
    step = LabelStep(settings, REVISION, store, ["out/0"])
    for record in scored:
        step.scored(record, 0)
    for i in range(1, 500, 2):
        step.label(Partition("late", 0), b"k%d" % i, str(i % 5), 0, 0)
    writes = step.prepare()
    step.committed()
    if restart:
        waiting = list(store.entries.values())
        assert {one.parts for one in waiting} == {("us", "null")}
        counts = {task: one.record() for task, one in step.tasks.items()}
        step = LabelStep(settings, REVISION, store, ["out/0"])
        step.restore(1, counts)
    step.scored({**scored[0], "end": True}, 0)
    writes += step.prepare()
    found: dict[tuple[str, str], dict[str, int]] = {}
    for write in writes:
        if write.topic == settings.plan.of("stats"):
            for window in decode(write.value or b"")[1]["windows"]:
                for one in window["values"]:
                    total = found.setdefault((one["dimension"], one["value"]), {})
                    for name, n in one["figures"].items():
                        total[name] = total.get(name, 0) + n
    assert found[("tenant", "eu")] == {"label_pairs": 250}
    assert found[("tenant", "us")] == {"label_pairs": 250, "label_unlabelled": 250}
    assert sum(figures["label_pairs"] for (name, _), figures in found.items() if name == "k") == 500
