"""Quality of both sides on labelled pairs, for display: AUC, calibration and NDCG, from counts that add up.

No number here decides: `loss: auc` and `loss: ndcg` have evidence of their own. No interval of a calibration error is
known that stays valid at every look, and the error itself is biased upwards, so it is shown beside the error that a
calibrated side would show by chance.

AUC: how two answers of one bin compare is unknown, so it has bounds; the estimate takes them as equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from shadowstream.config import Config
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.score_bins import ABOVE, BELOW, TENTHS, tenth_of

SCORE = "score"
STORED = float(1 << 32)
"""Units of sums of answers (`protocol.mean_sums`)."""
SIDES = (("production", "production"), ("candidate", "shadow"))
"""Sides as a verdict names them, and as stats records do."""


class Counts(NamedTuple):
    """Labelled pairs of one bin: all, those with a true label, and the sum of the answers in units of 2**-32."""

    n: int = 0
    positives: int = 0
    total: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the sum of both."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


Bins: TypeAlias = Mapping[int, Counts]


def quality_figures(delta: Mapping[str, Any]) -> dict[str, int]:
    """Return the quality counts of one window of a stats record (schemas/stats.avsc) as figures.

    >>> one = {"measure": "score", "side": "shadow", "bin": 7, "n": 2, "positives": 1, "total": 9}
    >>> quality_figures({"quality": [one]})
    {'score/shadow/7/0': 2, 'score/shadow/7/1': 1, 'score/shadow/7/2': 9}
    """
    return {
        f"{one['measure']}/{one['side']}/{min(max(one['bin'], BELOW), ABOVE)}/{at}": one[name]
        for one in delta.get("quality", ())
        for at, name in enumerate(Counts._fields)
    }


def bins_of(measure: str, side: str, figures: Mapping[str, int]) -> Bins:
    """Return the bins of a measure and a side among figures."""
    head = f"{measure}/{side}/"
    bins: dict[int, list[int]] = {}
    for name, number in figures.items():
        if name.startswith(head):
            at, field = name.removeprefix(head).split("/")
            bins.setdefault(int(at), [0, 0, 0])[int(field)] = number
    return {at: Counts(*counts) for at, counts in sorted(bins.items())}


def auc(bins: Bins) -> tuple[float, float, float] | None:
    """Return the AUC with its lower and upper bound; None without a label of either kind.

    >>> auc({0: Counts(3, 1), 5: Counts(1, 1)})
    (0.75, 0.5, 1.0)
    """
    right = tied = below = 0
    for counts in bins.values():
        negatives = counts.n - counts.positives
        right, tied = right + counts.positives * below, tied + counts.positives * negatives
        below += negatives
    if not (of_both := sum(counts.positives for counts in bins.values()) * below):
        return None
    return (right + tied / 2) / of_both, right / of_both, (right + tied) / of_both


def calibration(bins: Bins) -> list[Counts]:
    """Return the ten bins of a calibration table; answers that are no probabilities are in none."""
    table = [Counts()] * len(TENTHS)
    for at, counts in bins.items():
        if at not in (BELOW, ABOVE):
            table[tenth_of(at)] = table[tenth_of(at)].plus(counts)
    return table


def calibration_error(table: Iterable[Counts]) -> tuple[int, float, float] | None:
    """Return the answers of a table, their expected calibration error, and that of a calibrated side by chance.

    The error is the mean distance between the mean answer of a bin and its share of true labels.

    >>> calibration_error([Counts(4, 1, 2 << 32)])
    (4, 0.25, 0.19947114020071635)
    """
    bins = [counts for counts in table if counts.n > 0]
    n = sum(counts.n for counts in bins)
    if not n:
        return None
    error = chance = 0.0
    for counts in bins:
        answer = counts.total / STORED / counts.n
        error += counts.n / n * abs(answer - counts.positives / counts.n)
        chance += counts.n / n * math.sqrt(2.0 / math.pi * max(0.0, answer * (1.0 - answer)) / counts.n)
    return n, error, chance


def qualities(config: Config, figures: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the quality of both sides, as in schemas/verdict.avsc; empty without counts."""
    rows = []
    for measure in config.shown_quality:
        for side, word in SIDES:
            bins = bins_of(SCORE, word, figures)
            row = _auc_row(bins) if measure == "auc" else _calibration_row(bins)
            rows += [_row(measure, side, **row)] if row else []
    for criterion in config.judge.criteria:
        for side, word in SIDES if criterion.loss == "ndcg" and criterion.is_labelled else ():
            for counts in bins_of(criterion.sums, word, figures).values():
                name = criterion.sums.removeprefix("loss:")
                rows.append(_row(name, side, n=counts.n, value=counts.total / STORED / counts.n))
    return rows


def _row(measure: str, side: str, **fields: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"low": None, "high": None, "by_chance": None, "bins": []}
    return {"measure": measure, "side": side, **empty, **fields}


def _auc_row(bins: Bins) -> dict[str, Any] | None:
    if (found := auc(bins)) is None:
        return None
    value, low, high = found
    return {"n": sum(counts.n for counts in bins.values()), "value": value, "low": low, "high": high}


def _calibration_row(bins: Bins) -> dict[str, Any] | None:
    table = calibration(bins)
    if (found := calibration_error(table)) is None:
        return None
    n, value, by_chance = found
    rows = [
        {"upper": upper, "n": one.n, "answer": one.total / STORED / one.n, "share": one.positives / one.n}
        for upper, one in zip(TENTHS, table, strict=True)
        if one.n > 0
    ]
    return {"n": n, "value": value, "by_chance": by_chance, "bins": rows}


def quality_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the quality of both sides in a verdict record as one sentence for each measure."""
    by_measure: dict[str, list[Mapping[str, Any]]] = {}
    for row in verdict.get("quality", ()):
        by_measure.setdefault(row["measure"], []).append(row)
    return [
        f"{measure.replace(':', '@')}: {', '.join(map(_value, rows))}; for display only"
        for measure, rows in by_measure.items()
    ]


def _value(row: Mapping[str, Any]) -> str:
    """Format the value of one side with its bounds or with the value by chance.

    >>> _value({"side": "candidate", "n": 9, "value": 0.9, "low": 0.85, "high": 0.95, "by_chance": None})
    'candidate 0.9000 (0.8500 to 0.9500, as answers of one bin may be equal; 9 labelled pairs)'
    """
    pairs, side = f"{row['n']:,} labelled pairs", row["side"]
    if row["by_chance"] is not None:
        chance = f"a calibrated one shows {percent(row['by_chance'], 3)} by chance"
        return f"{side} {percent(row['value'], 3)} ({chance}; {pairs})"
    bounds = ""
    if row["low"] is not None and row["high"] - row["low"] >= 1e-4:
        bounds = f"{row['low']:.4f} to {row['high']:.4f}, as answers of one bin may be equal; "
    return f"{side} {row['value']:.4f} ({bounds}{pairs})"
