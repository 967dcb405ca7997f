"""Labelled pairs by the answer of each side: counts that show AUC, calibration and NDCG of both sides.

Only pairs in which both sides have a usable answer count, so that both sides are seen on the same pairs.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.labels.auc_blocks import ranked
from shadowstream.labels.losses import At, loss_of
from shadowstream.labels.usable import UnusableLabel, value_of
from shadowstream.protocol.mean_sums import STORED_BITS
from shadowstream.protocol.score_bins import ABOVE, BELOW, bin_of
from shadowstream.records import Side

SCORE = "score"


class Cell(NamedTuple):
    """Pairs that count together: of a measure (`score`, or the name of a loss), a side and a bin of its answers."""

    measure: str
    side: str
    bin: int


class LabelledQuality:
    """Counts since the last commit, as `quality` in schemas/stats.avsc; none unless the config asks for them."""

    def __init__(self, config: Config) -> None:
        rankings = [one for one in config.judge.criteria if one.is_labelled and one.loss == "ndcg"]
        self._losses = {one.sums: loss_of(one) for one in rankings}
        self._by_score = bool(config.shown_quality)
        self._cells: dict[At, dict[Cell, list[int]]] = {}

    def add(self, window: At, production: str | None, shadow: str | None, label: str) -> None:
        """Count a labelled pair, its values as JSON."""
        cells = self._cells.setdefault(window, {}) if self._by_score or self._losses else {}
        if self._by_score and (pair := ranked(production, shadow, label)) is not None:
            scores = (pair.production, pair.shadow)
            if not any(map(math.isnan, scores)):
                for side, score in zip(Side, scores, strict=False):
                    score_bin = bin_of(score)
                    number = 0.0 if score_bin in (BELOW, ABOVE) else score
                    _add(cells, Cell(SCORE, side.word, score_bin), number, positive=pair.positive)
        for name, gains in self._of_rankings(production, shadow, label):
            for side, gain in zip(Side, gains, strict=False):
                _add(cells, Cell(name, side.word, 0), gain)

    def _of_rankings(self, *values: str | None) -> Iterator[tuple[str, list[float]]]:
        """Yield the NDCG of both sides by the name of its loss."""
        if not self._losses:
            return
        *answers, truth = map(value_of, values)
        for name, loss in self._losses.items():
            try:
                gains = [1.0 - loss(answer, truth) for answer in answers]
            except UnusableLabel:
                continue
            if not any(map(math.isnan, gains)):
                yield name, gains

    def of(self, window: At) -> list[dict[str, Any]]:
        return [
            {**cell._asdict(), "n": n, "positives": positives, "total": total}
            for cell, (n, positives, total) in sorted(self._cells.get(window, {}).items())
        ]

    def clear(self) -> None:
        self._cells.clear()


def _add(cells: dict[Cell, list[int]], cell: Cell, number: float, *, positive: bool = False) -> None:
    counts = cells.setdefault(cell, [0, 0, 0])
    counts[0] += 1
    counts[1] += positive
    counts[2] += round(math.ldexp(number, STORED_BITS))
