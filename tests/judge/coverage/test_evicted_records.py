"""An evicted record lowers the coverage of its own side; what a limit shed is named while it is too much."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.coverage.coverage import coverage, share_of
from tests.joiner.joiner_world import WINDOW_MS, World
from tests.joiner.joiner_world import config as trial_of
from tests.joiner.outcome_cases import committed, done, play
from tests.judge.stats_records import HOUR_MS, cell, config, stats
from tests.judge.test_step import JudgeLoop
from tests.judge.trials_through_the_joiner import SILENT, joined, judged

N = 1_500
BY_PATH: dict[str, Any] = {"identity": {"kind": "id", "path": "id"}}
LEAST = 0.99
CRITERIA = [
    *({"rate": rate, "limit": 0.01} for rate in ("mismatch", "missing", "extra")),
    {"rate": "error", "limit": 0.01, "muted": True},
]
"""No runner plays here that counts inputs."""


def trial(**more: Any) -> Config:
    """A trial that needs no length of time."""
    judge = {"window_ms": WINDOW_MS, "min_duration_ms": 0, "criteria": CRITERIA}
    return trial_of(judge=judge, compare={"match_sample": 0, **more.pop("compare", {})}, **more)


def value(i: int) -> dict[str, Any]:
    return {"id": i, "score": i % 7, "tenant": "small" if i < 100 else "large"}


def ended(settings: Config, production: Any, candidate: Any) -> World:
    """The trial at its end: whatever has no partner by now has none."""
    world = joined(settings, production, candidate, N)
    play(world, [done(N), committed(N)])
    world.turn()
    return world


def cut(*broken: int) -> Callable[[int], Any]:
    """Values of which these are cut in the middle."""
    return lambda i: b'{"id": %d, "score": ' % i if i in broken else value(i)


@pytest.mark.parametrize("broken", [(7,), (3, 700, 1_499), tuple(range(10)), (0,)], ids=len)
def test_few_records_that_nobody_can_read_hold_no_promote_back(broken: tuple[int, ...]) -> None:
    found = judged(ended(trial(**BY_PATH), cut(*broken), value))
    assert found["outcomes"]["evicted"] == found["outcomes"]["undecodable_production"] == len(broken)
    assert found["coverage"] == found["coverage_candidate"] == pytest.approx(1 - len(broken) / N)
    assert found["decision"] == "promote", found["reasons"]


@pytest.mark.parametrize("broken", [16, 200, 1_400])
def test_many_evictions_lower_the_coverage_of_both_sides(broken: int) -> None:
    found = judged(ended(trial(**BY_PATH), cut(*range(broken)), value))
    assert found["decision"] == "not_yet"
    assert found["coverage"] == found["coverage_candidate"] == pytest.approx(1 - broken / N)
    named = [one for one in found["reasons"] if f"evicted ({broken:,})" in one]
    assert len(named) == 1, found["reasons"]
    assert named[0].endswith("set schemas, or receive.message.max.bytes under kafka.client")
    assert not any("limits." in one for one in found["reasons"])


def test_an_undecodable_candidate_pays_once_and_production_loses_its_partner() -> None:
    found = judged(ended(trial(**BY_PATH), value, cut(*range(5))))
    assert (found["outcomes"]["evicted"], found["outcomes"]["undecodable_shadow"]) == (5, 5)
    assert found["coverage"] == found["coverage_candidate"] == pytest.approx(1 - 5 / N)
    assert found["decision"] == "promote"


def test_an_unread_record_without_a_partner_evicts_nothing() -> None:
    world = ended(trial(**BY_PATH), cut(7), lambda i: SILENT if i == 7 else value(i))
    evictions = [window["evictions"] for record in world.stats for window in record["windows"]]
    assert not any(evictions), "nothing of the candidate waits"
    found = judged(world)
    assert (found["coverage"], found["coverage_candidate"]) == (pytest.approx(1 - 1 / N), 1.0)


def test_a_part_of_which_too_much_was_evicted_holds_a_promote_back() -> None:
    """All that is lost lies in one tenth of the records: 1 % of the whole, a tenth of the part."""
    compare = {"dimensions": [{"name": "tenant", "path": "tenant"}], "values_max": 4}
    broken = range(14)  # production's own are of no known value; their partners say whose they are
    found = judged(ended(trial(compare=compare, **BY_PATH), cut(*broken), value))
    assert found["coverage"] > LEAST
    assert found["decision"] == "not_yet"
    assert found["reasons"][0].startswith("slice tenant=small: 86 % of the candidate's records (86 of 100)")
    whole = {"dimensions": [{"name": "tenant", "path": "tenant"}], "values_max": 4}
    spread = [107 * n for n in range(1, 14)]
    assert judged(ended(trial(compare=whole, **BY_PATH), cut(*spread), value))["decision"] == "promote"


def verdict(evictions: dict[str, int], evicted: int, restart: bool = False) -> dict[str, Any]:
    """24 hours of 1,000 matches, and these evicted in the last one."""
    loop = JudgeLoop(1, config())
    for hour in range(24):
        last = hour == 23
        window = cell(hour * HOUR_MS, match=1_000, input=1_000, **({"evicted": evicted} if last else {}))
        window |= {"evictions": evictions if last else {}}
        loop.give(stats("scores/0", hour + 1, window, watermark_ms=(hour + 1) * HOUR_MS))
        if restart:
            loop.evaluate()
            loop.restart()
    loop.give(stats("scores/0", 25, complete=True))
    return loop.evaluate()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("evictions", "evicted", "sides", "decision", "named"),
    [
        ({"production": 8, "production:limit": 8}, 8, (8, 0), "promote", False),
        ({"shadow": 8, "shadow:limit": 8}, 8, (0, 8), "promote", False),
        ({"production": 300, "production:limit": 300}, 300, (300, 0), "not_yet", True),
        ({"shadow": 300, "shadow:limit": 300}, 300, (0, 300), "not_yet", True),
        ({"production": 300, "production:limit": 5}, 300, (300, 0), "not_yet", False),
        ({"shadow": 300}, 300, (0, 300), "not_yet", False),
        ({"twin": 9_000}, 9_000, (0, 0), "promote", False),
        ({}, 300, (300, 0), "not_yet", True),
        ({"shadow": 1}, 400, (399, 1), "not_yet", True),
        ({}, 9, (9, 0), "promote", False),
    ],
)
def test_evictions_count_on_their_side_and_name_the_limit(
    evictions: dict[str, int], evicted: int, sides: tuple[int, int], decision: str, named: bool, restart: bool
) -> None:
    found = verdict(evictions, evicted, restart)
    assert found["coverage"] == pytest.approx(24_000 / (24_000 + sides[0]))
    assert found["coverage_candidate"] == pytest.approx(24_000 / (24_000 + sides[1]))
    assert found["decision"] == decision
    assert (
        any("limits.pending_bytes_max or add joiners" in one and "were evicted" in one for one in found["reasons"])
        == named
    )


@pytest.mark.parametrize("seed", range(40))
def test_no_split_of_the_evicted_hides_a_loss_that_nobody_has_named(seed: int) -> None:
    """Over both sides together never fewer are lost than were evicted, less what the twin lost."""
    draw = random.Random(seed)
    shares = [draw.randrange(50) for _ in range(3)]
    unnamed = draw.randrange(50)
    figures = {"match": 100, "evicted": sum(shares) + unnamed}
    figures |= {f"evicted/{side}": n for side, n in zip(("production", "shadow", "twin"), shares, strict=True)}
    production, candidate = (share_of(side, figures).lost for side in ("production", "candidate"))
    assert (production, candidate) == (shares[0] + unnamed, shares[1])
    assert coverage(figures) == 100 / (100 + production)
