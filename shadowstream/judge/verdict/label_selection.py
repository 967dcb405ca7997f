"""Selective labels: whether only a part of the pairs got labels, by agreement, by time or by slice.

A share of labels over all pairs hides a part without labels: labels may come for agreeing pairs only, or in the first
hours only. A caveat compares two parts. A part that the criterion needs is tested against its `min_coverage`: E_above
of the unlabelled pairs must show a smaller labelled share, at a level that all parts share, so that a small part blocks
nothing by chance. Agreeing pairs never tell the sides apart, so they are named and block nothing.

Only pairs whose wait is over count (`settled_ms`): before that a label ends a pair, and a missing label does not.
Slices are not split by time, so they are tested from the first settled slot on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.judge.coverage.criterion_coverage import least_of
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import log_e_above
from shadowstream.judge.part_figures import by_value
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.windows.closed_window import END
from shadowstream.judge.windows.expected_tasks import counts_labels
from shadowstream.judge.windows.task_state import NEVER, Task
from shadowstream.protocol.count_names import LABEL_DIFFER, LABEL_DIFFER_UNLABELLED, LABEL_PAIRS, LABELS

SLOTS_MAX = 64
"""Limit of slots of time; above it two neighbours are merged."""
UNEVEN = 0.8
"""A part is named if its labelled share is below this multiple of the other part's."""
_DEVIATIONS = 4.0
_PARTS = SLOTS_MAX + 1
NAMED_MAX = 5
"""Slices that are named individually."""


class Part(NamedTuple):
    """Pairs whose wait is over, and the labelled ones among them."""

    labelled: int = 0
    ended: int = 0

    def plus(self, other: Part) -> Part:
        """Return the union of both parts."""
        return Part(self.labelled + other.labelled, self.ended + other.ended)

    def minus(self, other: Part) -> Part:
        """Return this part without the other."""
        return Part(self.labelled - other.labelled, self.ended - other.ended)

    @property
    def share(self) -> float:
        """The labelled share; 0 without pairs."""
        return self.labelled / self.ended if self.ended > 0 else 0.0

    @property
    def words(self) -> str:
        """The share with its counts, as text."""
        return f"{percent(self.share)} ({self.labelled:,} of {self.ended:,})"


NOTHING = Part()


class LabelCourse:
    """Labels by slot of event time, of agreeing and of differing pairs.

    >>> course = LabelCourse(1000)
    >>> course.add(0, {"label_both_right": 3, "label_unlabelled": 2, "label_differ": 1, "label_differ_unlabelled": 1})
    >>> course.settled(1000)
    [(0, Part(labelled=3, ended=4), Part(labelled=0, ended=1))]
    """

    def __init__(self, window_ms: int) -> None:
        self._slot_ms = window_ms
        self._slots: dict[int, tuple[Part, Part]] = {}

    def add(self, start_ms: int, figures: Mapping[str, int]) -> None:
        """Add the labels of a window, or of a correction to it."""
        ended = sum(figures.get(name, 0) for name in LABELS)
        if not ended:
            return
        labelled = ended - figures.get(LABELS[-1], 0)
        differ, unlabelled = figures.get(LABEL_DIFFER, 0), figures.get(LABEL_DIFFER_UNLABELLED, 0)
        differing = Part(differ - unlabelled, differ)
        agreeing = Part(labelled - differing.labelled, ended - differ)
        self._put(start_ms // self._slot_ms, agreeing, differing)
        while len(self._slots) > SLOTS_MAX:
            slots, self._slots, self._slot_ms = self._slots, {}, 2 * self._slot_ms
            for slot, parts in slots.items():
                self._put(slot // 2, *parts)

    def _put(self, slot: int, agreeing: Part, differing: Part) -> None:
        before = self._slots.get(slot, (NOTHING, NOTHING))
        self._slots[slot] = (before[0].plus(agreeing), before[1].plus(differing))

    def settled(self, settled_ms: int) -> list[tuple[int, Part, Part]]:
        """Return start, agreeing and differing pairs of the slots that end at or before `settled_ms`, in order."""
        return [
            (slot * self._slot_ms, *parts)
            for slot, parts in sorted(self._slots.items())
            if (slot + 1) * self._slot_ms <= settled_ms
        ]

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [self._slot_ms, [[slot, *a, *b] for slot, (a, b) in sorted(self._slots.items())]]

    def restore(self, snapshot: list[Any]) -> None:
        """Restore the state from a snapshot."""
        self._slot_ms, slots = snapshot
        self._slots = {slot: (Part(*counts[:2]), Part(*counts[2:])) for slot, *counts in slots}


class Selection(NamedTuple):
    """Findings about selective labels: reasons against promote, and caveats."""

    blockers: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


NOT_SELECTED = Selection()


def settled_ms(tasks: Mapping[str, Task]) -> int:
    """Return the event time below which the wait of every pair is over."""
    return min(
        (NEVER if not task.seq else task.watermark_ms for n, task in tasks.items() if counts_labels(n)), default=END
    )


def selection(
    config: Config, alpha: float, course: LabelCourse, tasks: Mapping[str, Task], figures: Mapping[str, int]
) -> Selection:
    """Test all parts. `alpha`: their shared level; `figures`: those of all closed windows."""
    labelled = [one for one in config.judge.criteria if one.is_labelled and not one.muted]
    criterion = max(labelled, key=lambda one: least_of(one, config), default=None)
    if criterion is None:
        return NOT_SELECTED
    slots = course.settled(settled_ms(tasks))
    min_coverage = least_of(criterion, config)
    alpha /= _parts_of(config)
    agreeing, differing = _sum(a for _, a, _ in slots), _sum(d for _, _, d in slots)
    blockers, caveats = [], []
    if _uneven(agreeing, differing):
        caveats.append(
            f"labels came for a selected part: {differing.words} of the pairs whose answers differ are labelled, and "
            f"{agreeing.words} of those whose answers agree; see for which pairs labels are written"
        )
    if _too_low(differing, min_coverage, alpha):
        blockers.append(
            f"{criterion.id}: {differing.words} of the pairs whose answers differ got a label, and {agreeing.words} of "
            f"those whose answers agree; its min_coverage asks for {percent(min_coverage)} of those that differ too: "
            f"{_ADVICE}"
        )
    low = [(start_ms, part) for start_ms, *parts in slots if _too_low(part := _sum(parts), min_coverage, alpha)]
    if low:
        part = _sum(part for _, part in low)
        blockers.append(
            f"{criterion.id}: {part.words} of the pairs in {len(low)} of {len(slots)} parts of the time got a label, "
            f"first from {utc_text(low[0][0])}; its min_coverage asks for {percent(min_coverage)} in each: {_ADVICE}"
        )
    low_slices, uneven_slices = _by_slice(config, criterion.id, min_coverage, alpha, figures) if slots else ([], [])
    return Selection((*blockers, *low_slices), (*caveats, *_by_time(slots), *uneven_slices))


def _parts_of(config: Config) -> int:
    """Count the parts that share the level."""
    return _PARTS + len(config.compare.dimensions) * (config.compare.values_max + 1)


def _by_slice(
    config: Config, criterion: str, min_coverage: float, alpha: float, figures: Mapping[str, int]
) -> tuple[list[str], list[str]]:
    """Return reasons for values with too few labels, and caveats for dimensions with uneven labels.

    `judge.slices: show` turns the reasons into caveats.
    """
    dimensions = [dimension.name for dimension in config.compare.dimensions]
    blockers: list[str] = []
    caveats: list[str] = []
    slices: dict[str, dict[str, Part]] = {}
    for (dimension, value), counts in sorted(by_value(figures, dimensions, config.compare.values_max).items()):
        ended, unlabelled = counts[LABEL_PAIRS], counts[LABELS[-1]]
        if 0 <= unlabelled <= ended and ended > 0:
            slices.setdefault(dimension, {})[value] = Part(ended - unlabelled, ended)
    for dimension, parts in slices.items():
        low = sorted(
            (entry for entry in parts.items() if _too_low(entry[1], min_coverage, alpha)),
            key=lambda item: item[1].share,
        )
        reasons = [
            f"{criterion}: {part.words} of the pairs of slice {dimension}={value} got a label; its min_coverage asks "
            f"for {percent(min_coverage)} in each: {_ADVICE}, or judge.slices: show"
            for value, part in low[:NAMED_MAX]
        ]
        if low[NAMED_MAX:]:
            reasons.append(f"{criterion}: {len(low) - NAMED_MAX} more slices of {dimension} got too few labels")
        (blockers if config.judge.slices == "guard" else caveats).extend(reasons)
        whole = _sum(parts.values())
        uneven = [(part.share, value, part) for value, part in parts.items() if _uneven(part, whole.minus(part))]
        if uneven:
            _, value, part = min(uneven)
            _, best_value, best = max((entry.share, name, entry) for name, entry in parts.items())
            if value == best_value:  # only this value got more than the rest
                _, value, part = min((entry.share, name, entry) for name, entry in parts.items())
            caveats.append(
                f"labels came for {percent(best.share)} of {dimension}={best_value} and {percent(part.share)} of "
                f"{dimension}={value} ({best.labelled:,} of {best.ended:,} and {part.labelled:,} of {part.ended:,} "
                "pairs); see for which slices labels are written"
            )
    return blockers, caveats


_ADVICE = "see for which pairs no label is written, or set a smaller min_coverage where that is meant"


def _by_time(slots: list[tuple[int, Part, Part]]) -> list[str]:
    """Compare the earlier half of the pairs with the later one."""
    total, early, late = _sum(_sum(parts) for _, *parts in slots).ended, NOTHING, NOTHING
    since_ms = None
    for start_ms, *parts in slots:
        if 2 * early.ended < total and since_ms is None:
            early = early.plus(_sum(parts))
            continue
        since_ms = start_ms if since_ms is None else since_ms
        late = late.plus(_sum(parts))
    if since_ms is None or not _uneven(early, late):
        return []
    return [
        f"labels came for a selected part: {early.words} of the pairs before {utc_text(since_ms)} are labelled, and "
        f"{late.words} since then; see whether labels are still written, and whether labels.horizon_ms is long enough"
    ]


def _sum(parts: Any) -> Part:
    total = NOTHING
    for part in parts:
        total = total.plus(part)
    return total


def _uneven(first: Part, second: Part) -> bool:
    """Return whether the labelled shares differ by much, and by more than chance."""
    if not (first.ended > 0 and second.ended > 0):
        return False
    joint = first.plus(second)
    deviation = math.sqrt(joint.share * (1.0 - joint.share) * (1 / first.ended + 1 / second.ended))
    low, high = sorted((first.share, second.share))
    return low < UNEVEN * high and high - low > _DEVIATIONS * deviation


def _too_low(part: Part, min_coverage: float, alpha: float) -> bool:
    """Return whether less than `min_coverage` of a part is labelled, beyond chance at the level `alpha` of one part."""
    unlabelled = part.ended - part.labelled
    if not 0.0 < min_coverage < 1.0 or not 0 < unlabelled <= part.ended or part.share >= min_coverage:
        return False
    return log_e_above(part.ended, unlabelled, 1.0 - min_coverage) >= math.log(1.0 / alpha)
