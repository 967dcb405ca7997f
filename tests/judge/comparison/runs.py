"""Runs of all judges on the same data: shadowstream's through its real step, its peers by their rules."""

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from shadowstream.judge.evidence.rates import log_e_below
from shadowstream.judge.step import JudgeStep
from tests.judge.calibration_at_the_limit import TASK, judge_of
from tests.judge.comparison.peers import ALPHA, LIMIT, PRODUCTION, RULES, Array, Counts, Decisions, drawn
from tests.judge.stats_records import HOUR_MS, REVISION, cell, stats

AT_ONCE, BY_DEFAULT = "**shadowstream**, no least duration", "**shadowstream**, default 24 h"
JUDGES = (AT_ONCE, BY_DEFAULT, *RULES)
UNITS = (500, 5_000, 50)
RATES = (PRODUCTION, LIMIT, 1.5 * LIMIT, 2 * LIMIT, 5 * LIMIT)
WINDOWS = 72
KEYS = 50
_ROWS_A_JOB = 25


class Cell(NamedTuple):
    """Traffic (records a window) and true rate of the candidate."""

    units: int
    rate: float


CELLS = tuple(Cell(units, rate) for units in UNITS for rate in RATES if units == UNITS[0] or LIMIT <= rate <= 2 * LIMIT)
"""The candidate under the limit, and the one far over it, at the middle traffic only."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of runs. `peers`: of peers other than Kayenta. `limit`: of shadowstream exactly at its limit."""

    peers: int = 20_000
    kayenta: int = 1_000
    limit: int = 1_000
    elsewhere: int = 300
    seed: int = 1

    def of(self, judge: str, rate: float) -> int:
        """Return the number of runs of a judge at a rate."""
        if judge in RULES:
            return self.kayenta if judge.startswith("Kayenta") else self.peers
        return self.limit if rate == LIMIT else self.elsewhere


class Share(NamedTuple):
    """Share of runs that promote, with its exact interval of 95 %, and the median records to promote and to reject."""

    promoted: int
    runs: int
    records_to_promote: float
    records_to_reject: float

    @property
    def value(self) -> float:
        """Share of runs that promote."""
        return self.promoted / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of Clopper and Pearson."""
        limits = binomtest(self.promoted, self.runs).proportion_ci(0.95, method="exact")
        return float(limits.low), float(limits.high)


def share_of(decisions: Decisions, units: int) -> Share:
    """Summarise the decisions of one judge."""
    promoted, rejected = (column[column > 0] * units for column in decisions)
    medians = [float(np.median(column)) if len(column) else math.nan for column in (promoted, rejected)]
    return Share(len(promoted), len(decisions.promoted), *medians)


def judged(units: int, bad: Sequence[int]) -> tuple[int, int, int]:
    """Run the real judge over one candidate; return its first promote without and with 24 h, and its first reject.

    Its verdict is asked for where it can decide: it promotes only what `log_e_below` shows.
    """
    step = JudgeStep(judge_of(LIMIT), REVISION, [TASK])
    n = s = soon = 0
    for window, more in enumerate(bad, start=1):
        n, s = n + units, s + more
        held = cell((window - 1) * HOUR_MS, match=units - more, mismatch=more, input=units)
        held["buckets"] = _keys(units, more, window)
        step.step(0, window, stats(TASK, window, held, watermark_ms=window * HOUR_MS))
        rejected = any(latch.reason for latch in step.reject_latches.values())
        if not rejected and log_e_below(n, s, LIMIT) < -math.log(ALPHA):
            continue
        verdict = step.verdict(0)
        if verdict["decision"] == "reject":
            return soon, 0, window
        if not soon and all("judge.min_duration_ms" in reason for reason in verdict["reasons"]):
            soon = window
        if verdict["decision"] == "promote":
            return soon or window, window, 0
    return soon, 0, 0


def _keys(units: int, bad: int, window: int) -> list[dict[str, int]]:
    """Return the pairs of a window by `KEYS` buckets of keys; the bad ones are spread over them."""
    spread = [bad // KEYS + ((bucket + 7 * window) % KEYS < bad % KEYS) for bucket in range(KEYS)]
    return [{"bucket": bucket, "n": units // KEYS, "s": s} for bucket, s in enumerate(spread)]


def _judged_rows(job: tuple[int, Array]) -> list[tuple[int, int, int]]:
    units, rows = job
    return [judged(units, row) for row in rows.tolist()]


def _of_shadowstream(pool: ProcessPoolExecutor, counts: Counts) -> tuple[Decisions, Decisions]:
    """Return the decisions without and with the least duration; the first decision ends a run."""
    rows = counts.candidate
    jobs = [(counts.units, rows[row : row + _ROWS_A_JOB]) for row in range(0, len(rows), _ROWS_A_JOB)]
    found = np.array([one for part in pool.map(_judged_rows, jobs) for one in part])
    soon, later, rejected = found.T
    return Decisions(soon, np.where(soon > 0, 0, rejected)), Decisions(later, rejected)


def table(sizes: Sizes, cells: Sequence[Cell] = CELLS) -> dict[tuple[str, Cell], Share]:
    """Run every judge in every cell."""
    shares: dict[tuple[str, Cell], Share] = {}
    with ProcessPoolExecutor() as pool:
        for at in cells:
            counts = drawn(at.rate, at.units, WINDOWS, max(sizes.peers, sizes.limit), sizes.seed)

            def upto(judge: str, counts: Counts = counts, rate: float = at.rate) -> Counts:
                runs = sizes.of(judge, rate)
                return Counts(counts.units, counts.candidate[:runs], counts.production[:runs])

            for name, rule in RULES.items():
                shares[name, at] = share_of(rule(upto(name)), at.units)
            for name, decisions in zip((AT_ONCE, BY_DEFAULT), _of_shadowstream(pool, upto(AT_ONCE)), strict=True):
                shares[name, at] = share_of(decisions, at.units)
    return shares
