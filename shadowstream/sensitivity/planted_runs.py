"""Runs of planted copies: window by window through the judge's step until it decides."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, groupby

from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.judge.replay import COURSE, closing
from shadowstream.judge.step import JudgeStep
from shadowstream.protocol.outcomes import AGREES, Outcome
from shadowstream.sensitivity.agreeing_pairs import AgreeingPairs
from shadowstream.sensitivity.planted_joiner import PlantedJoiner, Window
from shadowstream.sensitivity.planting import Planted

FIRST_BLOCK = 256
"""Pairs of the first part of a run; each further part is twice as large, because most runs end early."""


_OUTCOMES = frozenset(one.value for one in Outcome)


class Ending(StrEnum):
    """How a run ended: the gate rejected, it promoted, or it held back until the bound on records."""

    REJECTED = "rejected"
    PROMOTED = "promoted"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `records`: of production, until the decision; `span_ms`: their event time. `why`: of a promote held."""

    ending: Ending
    records: int
    span_ms: int
    why: str = ""


class PlantedRuns:
    """Runs of one topic's pairs. `config` is that of `planted_config`; `records_max` bounds each run."""

    def __init__(
        self, config: Config, revision: str, compare: Comparing, pairs: AgreeingPairs, records_max: int
    ) -> None:
        self._config, self._revision, self._pairs, self._records_max = config, revision, pairs, records_max
        self._joiner = PlantedJoiner(config, revision, compare)
        times = pairs.copies.production.times_ms
        self._width = config.judge.window_ms
        self._begin_ms = times[0] - times[0] % self._width
        # Every pass over the pairs begins a whole number of windows after the one before.
        self._pass_ms = times[-1] - times[-1] % self._width + self._width - self._begin_ms

    def seen(self, planted: Planted, pairs_max: int) -> tuple[int, dict[str, int]]:
        """Plant in all of up to `pairs_max` pairs; return how many have it, and the outcomes of the copies."""
        pairs = min(pairs_max, len(self._pairs))
        copies, n = planted.copies(planted.mask(0, 1.0), 0, pairs)
        outcomes: dict[str, int] = {}
        for window in self._joiner.windows({self._pairs.topic: copies}) if n else ():
            for name, units in window["outcomes"].items():
                if name in _OUTCOMES:
                    outcomes[name] = outcomes.get(name, 0) + units
        return n, outcomes

    def run(self, planted: Planted, seed: int, share: float) -> Run:
        """Judge copies with the plant in `share` of the pairs. Raises `RegistryError` while a schema is unavailable."""
        judge = JudgeStep(self._config, self._revision, [COURSE])
        latches, least_ms = judge.reject_latches.values(), self._config.judge.min_duration_ms
        records = span_ms = 0
        for number, windows in enumerate(self._windows(planted, seed, share), start=1):
            start_ms = windows[0]["start_ms"]
            judge.step(0, number, closing(self._revision, number, windows, start_ms + self._width))
            records += sum(window["outcomes"]["input"] for window in windows)
            span_ms = start_ms + self._width - self._begin_ms
            if any(latch.reason is not None for latch in latches):
                return Run(Ending.REJECTED, records, span_ms)
            if judge.windows.covered.covered_ms >= least_ms and judge.verdict(0)["decision"] == "promote":
                return Run(Ending.PROMOTED, records, span_ms)
            if records >= self._records_max:
                break
        reasons = judge.verdict(0)["reasons"]
        return Run(Ending.HELD, records, span_ms, reasons[0] if reasons else "")

    def _windows(self, planted: Planted, seed: int, share: float) -> Iterator[list[Window]]:
        """Yield the windows of one start after the other, over the pairs again and again; each pass plants anew."""
        for round_ in count():
            mask = planted.mask(seed + (round_ << 16), share)
            for begin, end in self._blocks():
                copies, _ = planted.copies(mask, begin, end)
                found = self._joiner.windows({self._pairs.topic: copies})
                moved = ({**one, "start_ms": one["start_ms"] + round_ * self._pass_ms} for one in found)
                for _, of_start in groupby(moved, key=lambda one: one["start_ms"]):
                    yield list(of_start)

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of pairs; no window of production's records is in two of them."""
        times = self._pairs.copies.production.times_ms
        begin, size = 0, FIRST_BLOCK
        while begin < len(times):
            at = min(begin + size, len(times)) - 1
            end = bisect_left(times, times[at] - times[at] % self._width + self._width)
            yield begin, end
            begin, size = end, 2 * size


def differing(outcomes: dict[str, int]) -> int:
    """Count the outcomes that do not agree."""
    return sum(n for name, n in outcomes.items() if name not in AGREES)
