"""Two candidates compared after each window: how often equal ones are distinguished wrongly, and a better one shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shadowstream.judge.paired.comparison import compare, terms_of
from shadowstream.judge.paired.judged_records import JudgedRecords
from tests.judge.claims import Line, Part, bounded, share_of
from tests.judge.stats_records import HOUR_MS, REVISION

ALPHA = 0.05


@dataclass(frozen=True)
class PairedRuns:
    """Runs of two candidates that are wrong on these shares of `keys`, each time that such a key comes."""

    of_first: float
    of_second: float
    keys: int
    units: int = 500
    windows: int = 24
    runs: int = 400

    def shown(self, seed: int, run: int) -> str | None:
        """The candidate that any look shows to be better."""
        rng = np.random.default_rng([seed, run])
        wrong = rng.random((2, self.keys)) < np.array([[self.of_first], [self.of_second]])
        trials = [JudgedRecords(name, REVISION, 0) for name in ("first", "second")]
        for index in range(self.windows):
            for offset, key in enumerate(rng.integers(self.keys, size=self.units).tolist()):
                for trial in np.flatnonzero(wrong[:, key]).tolist():
                    trials[trial].add_row(_row(index * self.units + offset, index * HOUR_MS + offset, key))
            for trial in trials:
                trial.to_ms = (index + 1) * HOUR_MS
                held = {"match": self.units}
                window = {"start_ms": index * HOUR_MS, "revision": REVISION, "outcomes": held, "fields": {}}
                trial.add_window(window)
            found = compare(trials[0], trials[1], terms_of(trials, ALPHA, 0.99, HOUR_MS))
            if found.better is not None:
                return found.better
        return None


def _row(offset: int, time_ms: int, key: int) -> dict[str, Any]:
    record = {"topic": "scores", "partition": 0, "offset": offset}
    return {"revision": REVISION, "production": record, "outcome": "mismatch", "time_ms": time_ms, "key": b"%d" % key}


def of_pairs(setting: PairedRuns, seed: int) -> Iterator[Line]:
    """Equal candidates are distinguished at most alpha of the time; the better of two unequal ones is shown."""
    found = [setting.shown(seed, run) for run in range(setting.runs)]
    apart, second = sum(one is not None for one in found), found.count("second")
    size = f"{setting.runs} runs of {setting.windows} windows of {setting.units} records"
    yield f"two candidates wrong on {setting.of_first:g} and {setting.of_second:g} of {setting.keys} keys, {size}", True
    if setting.of_first == setting.of_second:
        yield bounded("one shown to be better", apart, setting.runs, ALPHA, "keys do not depend on each other")
    else:
        yield (
            f"  the better one shown: {share_of(second, setting.runs)}, the worse one: {apart - second}; claim: at "
            f"least 0.9",
            second >= 0.9 * setting.runs,
        )


PARTS = (
    Part("pairs", of_pairs, PairedRuns(0.1, 0.1, keys=1_000)),
    Part("pairs", of_pairs, PairedRuns(0.1, 0.1, keys=100_000)),
    Part("pairs", of_pairs, PairedRuns(0.1, 0.05, keys=2_000, runs=100)),
)
