"""A closed event-time window, as the judge's step reads it."""

from collections import Counter
from dataclasses import dataclass, field

from shadowstream.judge.windows.window_counts import Bins, Pair, Slice

END = 2**63 - 1


@dataclass(slots=True, frozen=True)
class ClosedWindow:
    """Closed window with its counts and the corrections that close with it.

    `outcomes`: all figures that came on time; detectors read only these. `corrections`: late deltas by the start of the
    window that they correct. `totals`: all evidence so far. Slices and buckets named `late` belong to the corrections.
    `bins`: values by bin that came on time.
    """

    start_ms: int
    end_ms: int
    outcomes: dict[str, int]
    corrections: dict[int, dict[str, int]]
    totals: dict[str, int]
    buckets: dict[int, Pair] = field(default_factory=dict)
    late_buckets: dict[int, dict[int, Pair]] = field(default_factory=dict)
    slices: dict[Slice, Pair] = field(default_factory=dict)
    late_slices: dict[Slice, Pair] = field(default_factory=dict)
    labelled_ms: int = END
    outcome_buckets: dict[int, Counter[str]] = field(default_factory=dict)
    late_outcome_buckets: dict[int, dict[int, Counter[str]]] = field(default_factory=dict)
    bins: Bins = field(default_factory=dict)


def labels_only(start_ms: int, buckets: dict[int, Pair]) -> ClosedWindow:
    """Return the correction by which the buckets of a window count once all its labels have come."""
    return ClosedWindow(END, END, {}, {start_ms: {}}, {}, late_buckets={start_ms: buckets})
