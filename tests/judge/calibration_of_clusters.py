"""What the judge promises where bad units cluster: keys that are wrong each time, bursts, outages, seasons, users.

Each case is a candidate exactly at its limit, or an equal one, or one at half the limit. Its runs go through the
judge's real step, with a verdict after every window; the first decision counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.judge.step import JudgeStep
from shadowstream.protocol.key_buckets import KeyOutcomes
from shadowstream.protocol.task_names import task_of
from tests.judge.claims import Line, Part, bounded, shown_only
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
BUCKETS = 1_024
UNITS = 500
DAY = 24
Dice = np.random.Generator
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """Runs of one kind. `holds`: the words that may happen at most `alpha` of the time; the others are shown only."""

    name: str
    assumption: str
    source: str
    holds: tuple[str, ...]
    rate: str = "mismatch"
    unit: str = "record"
    limit: float = 0.01
    true: float = 0.01
    size: int = 1
    units: int = UNITS
    windows: int = 3 * DAY
    runs: int = 200
    alpha: float = 0.05
    least_hours: int = DAY

    def one(self, seed: int, run: int) -> str:
        """Return the first decision of that run."""
        dice = np.random.default_rng([seed, run])
        settings = config(
            criteria=[{"rate": self.rate, "limit": self.limit, "unit": self.unit}],
            alpha=self.alpha,
            min_duration_ms=self.least_hours * HOUR_MS,
        )
        step = JudgeStep(settings, REVISION, [TASK, *([task_of(TASK)] if self.rate == "labels" else [])])
        for hour, (buckets, bad) in enumerate(SOURCES[self.source](self, dice)):
            for record in records_of(self, hour, buckets, bad):
                step.step(0, record["seq"], record)
            decision = str(step.verdict(0)["decision"])
            if decision != "not_yet":
                return decision
        return "not_yet"


def records_of(case: Case, hour: int, buckets: Ints, bad: npt.NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    n, s = len(buckets), int(bad.sum())
    sides = {"twin": ("joint_shadow", "joint_twin"), "labels": ("label_production_only", "label_candidate_only")}
    keyed = KeyOutcomes()
    for bucket, wrong_one in zip(buckets.tolist(), bad.tolist(), strict=True) if case.rate in sides else ():
        keyed.add((), sides[case.rate][not wrong_one], bucket)
    mark = {"watermark_ms": (hour + 1) * HOUR_MS}
    if case.rate == "mismatch":
        held = cell(hour * HOUR_MS, match=n - s, mismatch=s, input=n)
        of, count = np.unique(buckets, return_counts=True)
        wrong = np.bincount(buckets[bad], minlength=BUCKETS)
        held["buckets"] = [{"bucket": int(b), "n": int(k), "s": int(wrong[b])} for b, k in zip(of, count, strict=True)]
        yield stats(TASK, hour + 1, held, **mark)
        return
    # Of the pairs, `n` distinguish the candidate from the other side, and it is the wrong one in `s` of them.
    if case.rate == "twin":
        joint = {"joint_shadow": s, "joint_twin": n - s, "joint_neither": UNITS - n}
        held = cell(hour * HOUR_MS, match=UNITS - s, mismatch=s, input=UNITS, **joint)
        yield stats(TASK, hour + 1, held | {"outcome_buckets": keyed.of(())}, **mark)
        return
    yield stats(TASK, 2 * hour + 1, cell(hour * HOUR_MS, match=UNITS, input=UNITS), **mark)
    named = {"label_production_only": s, "label_candidate_only": n - s, "label_both_right": UNITS - n}
    held = cell(hour * HOUR_MS, **named) | {"outcome_buckets": keyed.of(())}
    yield stats(task_of(TASK), 2 * hour + 2, held, **mark)


def bursts(case: Case, dice: Dice) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
    """Keys of `size` records each, all of them bad with probability `true`."""
    for _ in range(case.windows):
        count = case.units // case.size
        bad = np.repeat(dice.random(count) < case.true, case.size)
        yield np.repeat(dice.integers(BUCKETS, size=count), case.size), bad


def lone_bursts(case: Case, dice: Dice) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
    """Good records of keys of their own, and bursts of `size` bad records of one key."""
    for _ in range(case.windows):
        count = dice.binomial(case.units, case.true / case.size)
        burst = np.repeat(dice.integers(BUCKETS, size=count), case.size)[: case.units]
        rest = dice.integers(BUCKETS, size=case.units - len(burst))
        yield np.concatenate([burst, rest]), np.arange(case.units) < len(burst)


def sticky(case: Case, dice: Dice) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
    """`size` keys at a time; one that is wrong is wrong each time, and a day later other keys have come."""
    for hour in range(case.windows):
        if hour % DAY == 0:
            keys, wrong = dice.integers(BUCKETS, size=case.size), dice.random(case.size) < case.true
        of = dice.integers(case.size, size=case.units)
        yield keys[of], wrong[of]


def outages(case: Case, dice: Dice) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
    """Windows of an outage, `size` on average, in which half of the records are wrong; none between them."""
    down = False
    begin = case.true / 0.5 / case.size / (1.0 - case.true / 0.5)
    for _ in range(case.windows):
        down = bool(dice.random() >= 1.0 / case.size) if down else bool(dice.random() < begin)
        yield dice.integers(BUCKETS, size=case.units), dice.random(case.units) < (0.5 if down else 0.0)


def weekly(case: Case, dice: Dice) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
    """Two and a half limits at the weekend, and two fifths of one on the other days."""
    for hour in range(case.windows):
        rate = case.limit * (2.5 if hour // DAY % 7 > 4 else 0.4)
        yield dice.integers(BUCKETS, size=case.units), dice.random(case.units) < rate


def users(case: Case, dice: Dice) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
    """Users of `size` pairs each, on all of which the same side is wrong: the candidate with probability `true`."""
    for _ in range(case.windows):
        count = dice.poisson(case.units / case.size)
        wrong = np.repeat(dice.random(count) < case.true, case.size)[:UNITS]
        yield np.repeat(dice.integers(BUCKETS, size=count), case.size)[:UNITS], wrong


SOURCES = {one.__name__: one for one in (bursts, lone_bursts, sticky, outages, weekly, users)}
BOTH = ("promoted", "rejected")
NONE = "none"
KEYS = "keys do not depend on each other, and bad ones have no more records"
SEASONS = "a key does not depend on itself a season ago"
CASES = (
    *(Case(f"bursts of {k} of one key", "broken: bad records cluster", "bursts", (), size=k) for k in (2, 3, 10, 50)),
    *(
        Case(f"half the limit, {source} of {k} of one key", NONE, source, ("rejected",), true=0.005, size=k)
        for k in (10, 50)
        for source in ("bursts", "lone_bursts")
    ),
    Case("bursts of 50 among single records", f"broken: {KEYS}", "lone_bursts", ("rejected",), unit="key", size=50),
    *(Case(f"bursts of {k} of one key", KEYS, "bursts", BOTH, unit="key", size=k) for k in (2, 10, 50)),
    *(Case(f"{k} keys, wrong each time", SEASONS, "sticky", BOTH, unit="key", size=k) for k in (50, 200)),
    Case("1,000 keys, wrong each time", SEASONS, "sticky", BOTH, unit="key", size=1_000, units=1_000, windows=5 * DAY),
    *(
        Case(f"outages of {k} windows", "broken: windows do not depend on each other", "outages", (), unit="block",
             limit=0.05, true=0.05, size=k, windows=8 * DAY, units=100)
        for k in (3, 12)
    ),
    Case("independent windows", "windows do not depend on each other", "bursts", BOTH, unit="block",
         limit=0.05, true=0.05, size=10, windows=8 * DAY, units=100),
    Case("weekends over the limit", "the least duration is a season", "weekly", ("promoted",), least_hours=7 * DAY,
         windows=21 * DAY, runs=60),
    *(
        Case(f"equal {rate}, in tens", NONE, "users", ("rejected",), rate=rate, limit=0.5, true=0.5, size=10, units=20)
        for rate in ("twin", "labels")
    ),
    *(
        Case(f"equal twin, by {k}", KEYS if unit == "key" else NONE, "users", BOTH if unit == "key" else ("rejected",),
             rate="twin", unit=unit, limit=0.5, true=0.5, size=k, units=100)
        for unit, k in (("record", 2), ("record", 10), ("key", 2), ("key", 10))
    ),
    *(
        Case(f"labels of equal sides, {words}", assumption, source, BOTH, rate="labels", unit="key", limit=0.5,
             true=0.5, size=k, units=100)
        for words, assumption, source, k in (
            ("by 2", KEYS, "users", 2),
            ("by 10", KEYS, "users", 10),
            ("50 keys, one wrong side each", SEASONS, "sticky", 50),
        )
    ),
    Case("worse twin, single keys", NONE, "users", ("promoted",), rate="twin", limit=0.5, true=0.75, units=20),
)  # fmt: skip


def of_a_case(case: Case, seed: int) -> Iterator[Line]:
    """The figures of a case, and whether each holds."""
    decisions = [case.one(seed, run) for run in range(case.runs)]
    yield (
        f"{case.name}, unit: {case.unit}, {case.rate}, limit {case.limit:g}, {case.runs} runs of {case.windows} h "
        f"of {case.units}",
        True,
    )
    for word, decision in (("promoted", "promote"), ("rejected", "reject")):
        count = decisions.count(decision)
        if word in case.holds:
            yield bounded(word, count, case.runs, case.alpha, case.assumption)
        else:
            yield shown_only(word, count, case.runs, f"assumption: {case.assumption}")


PARTS = tuple(Part("clusters", of_a_case, case) for case in CASES)
