"""Keys as evidence: bad units of each criterion by bucket of keys.

Stats records hold compared pairs by bucket, and the other outcomes that are units of a rate. A rate adds up, so its
units of a bucket are those of its pairs and of these outcomes. They show whether bad units cluster by key
(`design_effect`), and with `unit: key` they are the units (`key_seasons`).

Labels come in any order, so the first window of a bucket is not known as they come. They wait until every pair of their
window has a label or its horizon has passed. Then windows count in the order of event time, as for any other rate: what
is a unit depends on no order of reading, and nothing that a label shows can choose it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shadowstream.judge.criteria import RATES, Rate
from shadowstream.judge.evidence.design_effect import Clusters, clusters_by_key
from shadowstream.judge.evidence.key_seasons import KeySeasons
from shadowstream.judge.verdict.criterion_status import KeyView
from shadowstream.judge.verdict.criterion_units import Measure
from shadowstream.judge.windows.closed_window import ClosedWindow
from shadowstream.judge.windows.task_state import NEVER
from shadowstream.judge.windows.window_counts import Pair, plus
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import KEY_BUCKETS

Ints: TypeAlias = npt.NDArray[np.int64]

SEEN = 0.5
"""Share of bad units that must have a bucket for clusters by key to be known: an older joiner counts pairs only."""


class KeyEvidence:
    """Counts by bucket of all criteria that have them. `season_ms`: the length of a season (`key_seasons`)."""

    def __init__(self, measures: list[Measure], season_ms: int) -> None:
        self._figures: dict[str, Ints] = {}
        self._seasons = {measure.id: KeySeasons(season_ms) for measure in measures if measure.criterion.unit == "key"}
        self._labelled = {measure.id: measure for measure in measures if measure.late and measure.id in self._seasons}
        self._waiting: dict[int, dict[str, dict[int, Pair]]] = {}
        self._settled_ms = NEVER

    @property
    def keys(self) -> int:
        """Number of buckets with a compared pair."""
        return int(np.count_nonzero(self._counts(RATES["mismatch"])[0]))

    def units(self, measure: Measure) -> int:
        """Units of a criterion that have a bucket."""
        return 0 if measure.by_key is None else int(self._counts(measure.by_key)[0].sum())

    def close(self, window: ClosedWindow) -> None:
        """Add a closed window and its corrections."""
        for pairs in (window.buckets, *window.late_buckets.values()):
            at = np.fromiter(pairs, np.intp, len(pairs))
            n, s = np.array(list(pairs.values()), np.int64).reshape(-1, 2).T
            self._of(Outcome.MATCH)[at] += n - s
            self._of(Outcome.MISMATCH)[at] += s
        for outcomes in (window.outcome_buckets, *window.late_outcome_buckets.values()):
            for bucket, counts in outcomes.items():
                for name, units in counts.items():
                    self._of(name)[bucket] += units

        for start_ms, outcomes in window.late_outcome_buckets.items() if self._labelled else ():
            self._wait(start_ms, outcomes)

    def _wait(self, start_ms: int, outcomes: Mapping[int, Mapping[str, int]]) -> None:
        """Keep the labels of a window until all of them have come. What comes after that is no unit."""
        if start_ms < self._settled_ms:
            return
        by_measure = self._waiting.setdefault(start_ms, {})
        for name, measure in self._labelled.items():
            for bucket, pair in of_rate(measure.by_key, {}, outcomes).items():
                plus(by_measure.setdefault(name, {}), bucket, *pair)

    def settle(self, before_ms: int) -> Iterator[tuple[int, Measure, dict[int, Pair]]]:
        """Yield the buckets that labels make due in the windows that begin before a time, in the order of time."""
        for start_ms in sorted(start_ms for start_ms in self._waiting if start_ms < before_ms):
            for name, buckets in self._waiting.pop(start_ms).items():
                measure = self._labelled[name]
                pairs = {bucket: measure.of_bucket(pair) for bucket, pair in sorted(buckets.items())}
                if due := self._seasons[name].due(start_ms, pairs):
                    yield start_ms, measure, due
        self._settled_ms = max(self._settled_ms, before_ms)

    def _of(self, name: str) -> Ints:
        return self._figures.setdefault(str(name), np.zeros(KEY_BUCKETS, np.int64))

    def _counts(self, rate: Rate) -> tuple[Ints, Ints]:
        """Return units and bad units of a rate by bucket: it adds arrays as it adds numbers."""
        figures: Any = self._figures
        n, s = rate.counts(figures)
        return _by_bucket(n), _by_bucket(s)

    def watched(self, measure: Measure, window: ClosedWindow) -> dict[int, Pair]:
        """Return the buckets of a window for the detectors; empty unless they are the units."""
        return of_rate(measure.by_key, window.buckets, window.outcome_buckets) if measure.id in self._seasons else {}

    def due(self, measure: Measure, window: ClosedWindow) -> ClosedWindow:
        """Return the window with the buckets that are units of a criterion now."""
        seasons = self._seasons.get(measure.id)
        if seasons is None:
            return window
        if measure.late:
            settled_ms = min(window.labelled_ms, self._settled_ms)
            return replace(window, buckets={}, late_buckets={}, labelled_ms=settled_ms)
        buckets = seasons.due(window.start_ms, self.watched(measure, window))
        late = {
            at: seasons.late(
                at, of_rate(measure.by_key, window.late_buckets.get(at, {}), window.late_outcome_buckets.get(at, {}))
            )
            for at in window.corrections
        }
        return replace(window, buckets=buckets, late_buckets=late)

    def clusters(self, measure: Measure, figures: Mapping[str, int]) -> Clusters | None:
        """Return the clusters by key of a criterion; None if they are unknown. `figures`: of all closed windows."""
        if measure.by_key is None or not measure.rate.s:
            return None
        n, s = self._counts(measure.by_key)
        return clusters_by_key(n, s) if s.sum() >= SEEN * measure.counts(figures).s else None

    def effect(self, measure: Measure, figures: Mapping[str, int]) -> float:
        """Return the number of records that count as one for a reject; 0 if it is unknown (`design_effect`).

        Few buckets show no clusters, so each of them is one piece of evidence. With which window labels come depends on
        the order of reading, so for them it is unknown.
        """
        if measure.by_key is None or measure.late:
            return 0.0
        n, s = self._counts(measure.by_key)
        if not n.any() or s.sum() < SEEN * measure.counts(figures).s:
            return 0.0
        clusters = clusters_by_key(n, s)
        return float(n.sum() / np.count_nonzero(n > 0)) if clusters is None else clusters.counted

    def view(self, measure: Measure, figures: Mapping[str, int]) -> KeyView:
        """Return the keys of a criterion for its status."""
        seasons = self._seasons.get(measure.id)
        return KeyView(self.clusters(measure, figures), seasons.distinct if seasons else 0)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "counts": {name: counts.tolist() for name, counts in sorted(self._figures.items()) if counts.any()},
            "seasons": {name: seasons.snapshot() for name, seasons in self._seasons.items()},
            "waiting": [
                [start_ms, name, [[bucket, *pair] for bucket, pair in sorted(buckets.items())]]
                for start_ms, by_measure in sorted(self._waiting.items())
                for name, buckets in sorted(by_measure.items())
            ],
            "settled": self._settled_ms,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        self._figures = {name: np.array(counts, np.int64) for name, counts in snapshot["counts"].items()}
        for name, seasons in self._seasons.items():
            seasons.restore(snapshot["seasons"][name])
        self._waiting, self._settled_ms = {}, snapshot["settled"]
        for start_ms, name, buckets in snapshot["waiting"]:
            self._waiting.setdefault(start_ms, {})[name] = {bucket: (n, s) for bucket, n, s in buckets}


def _by_bucket(counted: Any) -> Ints:
    """Return counts by bucket: none where no figure of a rate was counted yet, which is the number 0."""
    return counted if isinstance(counted, np.ndarray) else np.full(KEY_BUCKETS, counted, np.int64)


def of_rate(rate: Rate | None, pairs: Mapping[int, Pair], outcomes: Mapping[int, Mapping[str, int]]) -> dict[int, Pair]:
    """Return units and bad units of a rate by bucket, from compared pairs and further outcomes by bucket.

    >>> from shadowstream.judge.criteria import RATES
    >>> of_rate(RATES["missing"], {7: (5, 1)}, {7: {"missing": 2}, 8: {"extra": 1}})
    {7: (7, 2)}
    """
    if rate is None:
        return {}
    good, bad = rate.counts({Outcome.MATCH: 1}), rate.counts({Outcome.MISMATCH: 1})
    found: dict[int, Pair] = {}
    if good.n:
        found = {
            bucket: ((n - s) * good.n + s * bad.n, (n - s) * good.s + s * bad.s) for bucket, (n, s) in pairs.items()
        }
    for bucket, figures in outcomes.items():
        if any(more := rate.counts(figures)):
            n, s = found.get(bucket, (0, 0))
            found[bucket] = n + more.n, s + more.s
    return found
