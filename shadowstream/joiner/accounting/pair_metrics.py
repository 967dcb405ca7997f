"""What is measured of compared pairs beside their outcome: latencies, checks of the candidate's values, means.

All are sums over pairs, kept as whole numbers, so they do not depend on batches, commits or order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config, Latency
from shadowstream.joiner.accounting.field_presence import presence
from shadowstream.joiner.accounting.signed_shifts import Shifts, signed
from shadowstream.joiner.accounting.value_checks import checked
from shadowstream.joiner.intake.header_fields import HeaderFields
from shadowstream.paths import parse_one
from shadowstream.protocol.mean_sums import SUMS, grid_sums
from shadowstream.records import Side

_GROWTH = math.log(1.01 / 0.99)
NOTHING = -(2**31)
"""The bucket of a latency of 0 or less."""
REPEATED_NAMES = "repeated_names:"
"""Pairs of which a value is JSON with a name twice in one object, where the last one counts."""
_Mask = npt.NDArray[np.bool_]
_Asides = Sequence[HeaderFields | None]


class Measured(NamedTuple):
    """Measures of a batch of pairs, one entry a pair each.

    `latencies`: production's and the shadow's in ms, NaN where one is unknown. `checks`: by kind:path where it failed,
    what stands beside that (`checks.checked`), and where a path holds something (`presence`). `means`: by path the
    scaled difference in [0, 1] (NaN: no number on either side), the mean it is held against, and the difference that
    counts as 1.
    """

    latencies: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None
    checks: Mapping[str, _Mask] = {}
    means: Mapping[str, tuple[npt.NDArray[np.float64], float, float]] = {}
    shifts: Mapping[str, npt.NDArray[np.float64]] = {}
    """By path of a mean the differences with their sign (`shifts.signed`)."""


class Tally:
    """Sums of one window and revision."""

    __slots__ = ("against", "checks", "latencies", "means", "outcomes", "shifts")

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.latencies: Counter[tuple[str, int]] = Counter()
        self.checks: Counter[str] = Counter()
        self.means: dict[str, tuple[int, list[int]]] = {}
        self.against: dict[str, dict[str, float]] = {}
        self.shifts = Shifts()

    def add(self, measured: Measured, mask: _Mask, latency: Latency | None) -> None:
        """Add the pairs of `mask`."""
        if measured.latencies is not None and latency is not None:
            production, shadow = measured.latencies
            self._add_latencies(production[mask], shadow[mask], latency)
        for name, where in measured.checks.items():
            if n := int(np.count_nonzero(where & mask)):
                self.checks[name] += n
        self.shifts.add(measured.shifts, mask)
        for path, (values, mean, bound) in measured.means.items():
            self.against[path] = {"bound": bound, "limit": mean}
            known = values[mask & ~np.isnan(values)]
            n, sums = self.means.get(path, (0, [0] * SUMS))
            added = grid_sums(known, mean) if len(known) else [0] * SUMS
            self.means[path] = n + len(known), [one + more for one, more in zip(sums, added, strict=True)]

    def _add_latencies(
        self, production: npt.NDArray[np.float64], shadow: npt.NDArray[np.float64], latency: Latency
    ) -> None:
        both = ~(np.isnan(production) | np.isnan(shadow))
        production, shadow = production[both], shadow[both]
        if not len(shadow):
            return
        self.outcomes["latency_pairs"] += len(shadow)
        self.outcomes["latency_slower"] += int(np.count_nonzero(shadow > production + latency.slower_ms))
        self.outcomes["latency_over"] += int(np.count_nonzero(shadow > latency.over_ms))
        for side, values in ((Side.PRODUCTION, production), (Side.SHADOW, shadow)):
            found, n = np.unique(_buckets(values), return_counts=True)
            self.latencies.update({(side.word, b): k for b, k in zip(found.tolist(), n.tolist(), strict=True)})

    def record(self) -> dict[str, Any]:
        """Fields of a window of schemas/stats.avsc, its outcomes left out."""
        return {
            "checks": dict(sorted(self.checks.items())),
            "means": [
                {"path": path, "n": n, "sums": sums, **self.against[path], **self.shifts.of(path)}
                for path, (n, sums) in sorted(self.means.items())
            ],
            "latencies": [{"side": side, "bucket": b, "n": n} for (side, b), n in sorted(self.latencies.items())],
        }


def _buckets(latencies_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Index i with latency in (g^(i-1), g^i], g = 1.01/0.99 (DDSketch, Masson et al. 2019, section 2.1)."""
    buckets = np.full(len(latencies_ms), NOTHING, np.int64)
    some = latencies_ms > 0
    buckets[some] = np.ceil(np.log(latencies_ms[some]) / _GROWTH).astype(np.int64)
    return buckets


class Measuring:
    """What a config asks to be measured of pairs."""

    def __init__(self, config: Config) -> None:
        self.latency = config.compare.latency
        self._checks = config.compare.checks
        self._counts_repeated_names = config.compare.duplicate_names == "last"
        wanted = [one.model_dump() for one in config.judge.criteria]
        self._means = {one["path"]: (one["bound"], one["limit"]) for one in wanted if one["rate"] == "mean"}
        self._fields = [one["path"] for one in wanted if one["rate"] == "field"]

    def of(
        self,
        compare: Comparing,
        values: tuple[Any, Any],
        times_ms: Sequence[int],
        header_infos: tuple[_Asides, _Asides],
    ) -> Measured:
        """Measures of pairs, given both sides' values, production's times and what headers said. May raise as
        `compare` does."""
        latencies = None if self.latency is None else _latencies(times_ms, *header_infos)
        checks: dict[str, _Mask] = presence(compare, values, times_ms, self._fields) if self._fields else {}
        if self._counts_repeated_names:
            one, other = (compare.repeating(side, values[side]) for side in (Side.PRODUCTION, Side.SHADOW))
            checks[REPEATED_NAMES] = np.array(one, np.bool_) | np.array(other, np.bool_)
        if not (self._checks or self._means):
            return Measured(latencies, checks)
        shadow = compare.fields(Side.SHADOW, values[1])
        for check in self._checks:
            names = parse_one(check.path)
            checks |= checked(check, compare, values[0], shadow.at(names), names)
        means, shifts = {}, {}
        if self._means:
            production = compare.fields(Side.PRODUCTION, values[0])
            for path, (bound, limit) in self._means.items():
                names = parse_one(path)
                production_ms, shadow_ms = production.at(names), shadow.at(names)
                means[path] = _scaled(production_ms, shadow_ms, bound), limit, bound
                shifts[path] = signed(_doubles(production_ms), _doubles(shadow_ms), bound)
        return Measured(latencies, checks, means, shifts)


def _latencies(
    times_ms: Sequence[int], production: _Asides, shadow: _Asides
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """From the input's time, which our header on the shadow's record says, to each side's emission."""
    inputs = np.array([header_info.input_ms if header_info else None for header_info in shadow], np.float64)
    production_ms = [
        header_info.emit_ms if header_info else time_ms
        for header_info, time_ms in zip(production, times_ms, strict=True)
    ]
    shadow_ms = np.array([header_info.emit_ms if header_info else None for header_info in shadow], np.float64)
    return np.array(production_ms, np.float64) - inputs, shadow_ms - inputs


def _scaled(production: Sequence[Any], shadow: Sequence[Any], bound: float) -> npt.NDArray[np.float64]:
    """|shadow − production| as a share of `bound`, at most 1; 1 where only one of them is a finite number, NaN where
    neither is."""
    production_ms, shadow_ms = _doubles(production), _doubles(shadow)
    with np.errstate(all="ignore"):
        found: npt.NDArray[np.float64] = np.minimum(np.abs(shadow_ms - production_ms) / bound, 1.0)
    numbers = np.isfinite(production_ms), np.isfinite(shadow_ms)
    found[numbers[0] ^ numbers[1]] = 1.0
    found[~(numbers[0] | numbers[1])] = np.nan
    return found


def _doubles(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    return np.array([_double(value) for value in values], np.float64)


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
