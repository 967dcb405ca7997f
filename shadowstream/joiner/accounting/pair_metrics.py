"""Metrics of compared pairs beside their outcome: latencies, checks of the candidate's values, means.

All are sums over pairs in integers, so that batches, commits and order have no effect.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.record_parts import names_part
from shadowstream.config import Config, Latency
from shadowstream.joiner.accounting.field_presence import presence, presence_of_parts
from shadowstream.joiner.accounting.signed_differences import SignedDifferences, SignedReader, doubles
from shadowstream.joiner.accounting.signed_shifts import ShiftSums, signed_shares
from shadowstream.joiner.accounting.value_checks import checked
from shadowstream.joiner.accounting.value_distributions import BinnedPairs, DistributionReader
from shadowstream.joiner.intake.header_fields import HeaderFields
from shadowstream.paths import parse_one, parse_path
from shadowstream.protocol.latency_buckets import LOG_GROWTH, NOTHING
from shadowstream.protocol.mean_sums import SUMS, grid_sums
from shadowstream.protocol.signed_means import SignedSums
from shadowstream.records import Side

REPEATED_NAMES = "repeated_names:"
"""Pairs with a JSON value that repeats a name in one object, where the last one counts."""
_Mask = npt.NDArray[np.bool_]
_Doubles = npt.NDArray[np.float64]
_HeaderInfos = Sequence[HeaderFields | None]


class PairMetrics(NamedTuple):
    """Metrics of a batch of pairs as columns.

    `latencies`: production's and the shadow's in ms, NaN if unknown. `checks`: masks of the figures of `value_checks`
    and `field_presence`, by name. `means`: by path the scaled difference in [0, 1] (NaN: no number on either side), the
    limit of the mean, and the difference that counts as 1. `shifts`: by path of a mean the `signed_shares`. `signed`:
    how much worse the candidate is, by the name of the sums. `bins`: the bins of `compare.distributions` by path.
    """

    latencies: tuple[_Doubles, _Doubles] | None = None
    checks: Mapping[str, _Mask] = {}
    means: Mapping[str, tuple[_Doubles, float, float]] = {}
    shifts: Mapping[str, _Doubles] = {}
    signed: Mapping[str, SignedDifferences] = {}
    bins: Mapping[str, BinnedPairs] = {}

    def part(self, rows: slice) -> "PairMetrics":
        """Return the metrics of some of the pairs."""
        return PairMetrics(
            None if self.latencies is None else (self.latencies[0][rows], self.latencies[1][rows]),
            {name: mask[rows] for name, mask in self.checks.items()},
            {path: (values[rows], mean, bound) for path, (values, mean, bound) in self.means.items()},
            {path: values[rows] for path, values in self.shifts.items()},
            {name: one._replace(values=one.values[rows]) for name, one in self.signed.items()},
            {
                path: one._replace(production=one.production[rows], shadow=one.shadow[rows])
                for path, one in self.bins.items()
            },
        )


class MetricSums:
    """Sums of pair metrics of one window and revision."""

    __slots__ = ("against", "checks", "latencies", "means", "outcomes", "shifts", "signed")

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.latencies: Counter[tuple[str, int]] = Counter()
        self.checks: Counter[str] = Counter()
        self.means: dict[str, tuple[int, list[int]]] = {}
        self.against: dict[str, dict[str, float]] = {}
        self.shifts = ShiftSums()
        self.signed: dict[str, SignedSums] = {}

    def add(self, measured: PairMetrics, mask: _Mask, latency: Latency | None) -> None:
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

        for name, (differences, limit, bound) in measured.signed.items():
            self.signed.setdefault(name, SignedSums(limit, bound)).add(differences[mask])

    def _add_latencies(self, production: _Doubles, shadow: _Doubles, latency: Latency) -> None:
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
        """Return the fields of a window of schemas/stats.avsc, without its outcomes."""
        return {
            "checks": dict(sorted(self.checks.items())),
            "means": [
                {"path": path, "n": n, "sums": sums, **self.against[path], **self.shifts.of(path)}
                for path, (n, sums) in sorted(self.means.items())
            ]
            + [{"path": name, **sums.record()} for name, sums in sorted(self.signed.items())],
            "latencies": [{"side": side, "bucket": b, "n": n} for (side, b), n in sorted(self.latencies.items())],
        }


def _buckets(latencies_ms: _Doubles) -> npt.NDArray[np.int64]:
    """Return i with latency in (g^(i-1), g^i], g = 1.01/0.99 (DDSketch, Masson et al. 2019, section 2.1)."""
    buckets = np.full(len(latencies_ms), NOTHING, np.int64)
    positive = latencies_ms > 0
    buckets[positive] = np.ceil(np.log(latencies_ms[positive]) / LOG_GROWTH).astype(np.int64)
    return buckets


class MetricReader:
    """Reader of the metrics that a config names."""

    def __init__(self, config: Config) -> None:
        self.latency = config.compare.latency
        self._checks = config.compare.checks
        self._counts_repeated_names = config.compare.duplicate_names == "last"
        wanted = [one.model_dump() for one in config.judge.criteria]
        self._means = {
            one["path"]: (one["bound"], one["limit"])
            for one in wanted
            if one["rate"] == "mean" and not one.get("signed")
        }
        self._signed = SignedReader(config)
        self._distributions = DistributionReader(config)
        fields = [one["path"] for one in wanted if one["rate"] == "field"]
        self._part_fields = [path for path in fields if config.compare.part_paths and names_part(parse_path(path))]
        self._fields = [path for path in fields if path not in self._part_fields]

    def of(
        self,
        compare: Comparing,
        values: tuple[Any, Any],
        times_ms: Sequence[int],
        header_infos: tuple[_HeaderInfos, _HeaderInfos],
    ) -> PairMetrics:
        """Return the metrics of pairs; `times_ms` are production's. Raises as `compare` does."""
        latencies = None if self.latency is None else _latencies(times_ms, *header_infos)
        checks: dict[str, _Mask] = presence(compare, values, times_ms, self._fields) if self._fields else {}
        if self._part_fields:
            headers = [tuple(info.compared if info else () for info in infos) for infos in header_infos]
            checks |= presence_of_parts(compare, values[0], times_ms, self._part_fields, zip(*headers, strict=True))
        if self._counts_repeated_names:
            one, other = (compare.repeating(side, values[side]) for side in (Side.PRODUCTION, Side.SHADOW))
            checks[REPEATED_NAMES] = np.array(one, np.bool_) | np.array(other, np.bool_)
        if not (self._checks or self._means or self._signed or self._distributions):
            return PairMetrics(latencies, checks)
        shadow = compare.fields(Side.SHADOW, values[1])
        for check in self._checks:
            names = parse_one(check.path)
            checks |= checked(check, compare, values[0], shadow.at(names), names)
        means, shifts = {}, {}
        signed: Mapping[str, SignedDifferences] = {}
        bins: Mapping[str, BinnedPairs] = {}
        if self._means or self._signed or self._distributions:
            production = compare.fields(Side.PRODUCTION, values[0])
            signed = self._signed.of(compare, production, shadow)
            bins = self._distributions.of(production, shadow)
            for path, (bound, limit) in self._means.items():
                names = parse_one(path)
                numbers = doubles(production.at(names)), doubles(shadow.at(names))
                means[path] = _scaled(*numbers, bound), limit, bound
                shifts[path] = signed_shares(*numbers, bound)
        return PairMetrics(latencies, checks, means, shifts, signed, bins)


def _latencies(times_ms: Sequence[int], production: _HeaderInfos, shadow: _HeaderInfos) -> tuple[_Doubles, _Doubles]:
    """Return the times from the input, as the packed header of the shadow's record names it, to each side's output."""
    inputs = np.array([info.input_ms if info else None for info in shadow], np.float64)
    production_ms = [info.emit_ms if info else time_ms for info, time_ms in zip(production, times_ms, strict=True)]
    shadow_ms = np.array([info.emit_ms if info else None for info in shadow], np.float64)
    return np.array(production_ms, np.float64) - inputs, shadow_ms - inputs


def _scaled(production: _Doubles, shadow: _Doubles, bound: float) -> _Doubles:
    """Return |shadow − production| as a share of `bound`, at most 1; 1 if only one is finite, NaN if neither is."""
    with np.errstate(all="ignore"):
        found: _Doubles = np.minimum(np.abs(shadow - production) / bound, 1.0)
    finite = np.isfinite(production), np.isfinite(shadow)
    found[finite[0] ^ finite[1]] = 1.0
    found[~(finite[0] | finite[1])] = np.nan
    return found
