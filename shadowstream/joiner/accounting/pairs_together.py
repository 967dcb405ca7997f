"""Counting of compared pairs in columns, those of many tasks as one batch: each task has few of them at a commit."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from shadowstream.compare.dimension_codes import Coded, Ints, coded, counts_of
from shadowstream.compare.result import Results
from shadowstream.joiner.accounting.outcome_counts import (
    COLUMNS_FROM,
    PATHS_FROM,
    OutcomeCounts,
    also_counted_as,
    counted_as,
)
from shadowstream.joiner.accounting.outcome_window import SubWindows
from shadowstream.joiner.accounting.pair_cells import CELLS_MAX
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.accounting.row_writer import Mismatches, mismatches_of
from shadowstream.joiner.accounting.slice_counts import add_together
from shadowstream.joiner.accounting.task_windows import TaskWindows
from shadowstream.joiner.matching.matches import PairBatch
from shadowstream.protocol.outcomes import PLAIN, Outcome
from shadowstream.protocol.uniform_hash import uniform
from shadowstream.records import SUB_WINDOWS, Write


def count_together(
    tasks: Sequence[tuple[OutcomeCounts, int]], batch: PairBatch, results: Results, columns: PairColumns
) -> None:
    """Count the outcomes of pairs and write their rows. `tasks`: the counts of each, and the number of its pairs, one
    after the other."""
    counts = [one for one, _ in tasks]
    windows = TaskWindows.of([n for _, n in tasks], columns.times_ms, columns.revisions, counts[0].window_ms)
    outcomes = columns.outcomes
    for task, code, n in _occurring(windows.tasks, len(tasks), outcomes):
        counts[task].end_pairs(outcomes.values[code], n)
    _count_names(counts, windows, outcomes, results, columns)
    _show(counts, windows, outcomes, batch, results, columns)
    for (task, kinds), n in Counter((int(windows.tasks[i]), kinds) for i, kinds in results.changes.items()).items():
        counts[task].changes.update(dict.fromkeys(kinds, n))
    add_together([one.slices for one in counts], columns, windows)


def _occurring(tasks: Ints, count: int, outcomes: Coded) -> list[tuple[int, int, int]]:
    """Return task, code of the outcome and number of pairs, as far as there are any."""
    width = len(outcomes.values)
    n = np.bincount(tasks * width + outcomes.codes, minlength=count * width)
    found = np.flatnonzero(n)
    return list(zip((found // width).tolist(), (found % width).tolist(), n[found].tolist(), strict=True))


def _count_names(
    counts: Sequence[OutcomeCounts], windows: TaskWindows, outcomes: Coded, results: Results, columns: PairColumns
) -> None:
    """Count the pairs in their sub-windows; those with a declared change by its name, and by those of further ones."""
    expected = np.flatnonzero(outcomes.among((Outcome.EXPECTED,))).tolist()
    names = outcomes
    if expected:
        texts = outcomes.texts()
        for i in expected:
            texts[i] = counted_as(results[i])
        names = coded(texts)
    cells, width = windows.sub_windows(), len(names.values)
    found, numbers = _by_appearance(cells * width + names.codes, windows.size * width)  # stats records keep this order
    in_cells, of_names = np.divmod(found, width)
    in_windows, of_cells = np.divmod(in_cells, SUB_WINDOWS)
    of_windows: dict[int, SubWindows] = {}
    parts = in_windows.tolist(), of_cells.tolist(), of_names.tolist(), numbers.tolist()
    for window, number, name, n in zip(*parts, strict=True):
        sub_windows = of_windows.get(window)
        if sub_windows is None:
            sub_windows = of_windows[window] = {}
        counted = sub_windows.get(number)
        if counted is None:
            counted = sub_windows[number] = {}
        counted[names.values[name]] = n
    for window, sub_windows in of_windows.items():
        task, at = windows.window(window)
        counts[task].name_pairs(at, sub_windows)
    for i in expected:
        window, number = divmod(int(cells[i]), SUB_WINDOWS)
        task, at = windows.window(window)
        for text in also_counted_as(results[i]):
            counts[task].name_pairs(at, {number: {text: 1}})


def _by_appearance(codes: Ints, size: int) -> tuple[Ints, Ints]:
    """Return the codes, below `size`, in the order of appearance, and the number of each."""
    if size <= CELLS_MAX:
        numbers, found = counts_of(codes, size)
        return np.array(found, np.int64), numbers[found]
    known, first, counted = np.unique(codes, return_index=True, return_counts=True)
    order = np.argsort(first)
    return known[order], counted[order]


def _show(
    counts: Sequence[OutcomeCounts],
    windows: TaskWindows,
    outcomes: Coded,
    batch: PairBatch,
    results: Results,
    columns: PairColumns,
) -> None:
    """Write the rows of pairs that are no plain match, and those of a sample of the plain ones."""
    seeds = np.array([one.seed for one in counts], np.uint64)
    shown = uniform(batch.production.offsets, seeds[windows.tasks]) < counts[0].match_sample
    shown |= ~outcomes.among(PLAIN)
    places, in_columns = np.flatnonzero(shown), np.flatnonzero(results.in_columns())
    ends = np.cumsum(windows.sizes)
    cuts = np.searchsorted(places, ends).tolist(), np.searchsorted(in_columns, ends).tolist()
    results.explain(places[~np.isin(places, in_columns)].tolist())
    rows = _rows_of_mismatches(counts, windows.tasks[in_columns].tolist(), batch, results, columns)
    if rows is None:
        in_columns, rows = in_columns[:0], []
        cuts = cuts[0], [0] * len(counts)
    begin = of_begin = 0
    for one, end, of_end in zip(counts, *cuts, strict=True):
        if begin < end:
            written = in_columns[of_begin:of_end], rows[of_begin:of_end]
            one.show(batch, results, columns, places[begin:end], written)
        begin, of_begin = end, of_end


def _rows_of_mismatches(
    counts: Sequence[OutcomeCounts], tasks: Sequence[int], batch: PairBatch, results: Results, columns: PairColumns
) -> list[Write] | None:
    """Count the paths of the mismatches whose differences are in columns; return their rows. `tasks`: that of each.

    If the rows must be written one by one, count nothing and return None.
    """
    places = np.flatnonzero(results.in_columns())
    if len(places) < COLUMNS_FROM:
        return None
    differences, revisions = results.columns.where(places), columns.revisions.at(places)
    dimensions = counts[0].slices.named_columns(columns, places)
    rows = Mismatches(batch.at(places.tolist()), revisions.texts(), differences, dimensions)
    writes = mismatches_of([counts[task].rows for task in tasks], rows)
    if writes is None:
        return None
    times_ms, few = columns.times_ms[places], list[int]()
    begin = 0
    for task, n in Counter(tasks).items():  # the pairs of a task follow one another
        end = begin + n
        if n < PATHS_FROM or n < PATHS_FROM * counts[task].windows_of(times_ms[begin:end]):
            few += range(begin, end)
        else:
            part = differences if n == len(places) else differences.where(np.arange(begin, end))
            counts[task].count_columns(part, times_ms[begin:end], revisions.at(slice(begin, end)))
        begin = end
    paths = counts[0].rows.paths_of_each(differences, len(places)) if few else []
    for i in few:
        counts[tasks[i]].count_paths(paths[i], int(times_ms[i]), revisions.text(i))
    return writes
