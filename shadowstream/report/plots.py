"""Plots as SVG inside a page: no script, no external resource, the same bytes for the same facts."""

import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib import dates
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.report.facts import Facts, Point, intervals

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read, searched and copied
    "svg.hashsalt": "shadowstream",
    "text.parse_math": False,  # a field's name may hold dollar signs
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#444a54",
    "text.color": "#444a54",
    "xtick.color": "#444a54",
    "ytick.color": "#444a54",
    "axes.grid": True,
    "grid.color": "#e6e8ec",
    "axes.axisbelow": True,
}
_COLOURS = ("#2b6cb0", "#b7791f", "#2f855a", "#805ad5", "#c05621", "#2c7a7b", "#b83280", "#718096")
_BAD, _LIMIT, _BAND = "#c53030", "#1a202c", "#bee3f8"
_OF_THEME = {"#444a54": "soft", "#e6e8ec": "line", _LIMIT: "ink", _BAND: "band", _BAD: "bad"}
"""Colours that the page's theme replaces, so that a plot fits a light and a dark page."""
FEW = 3
"""With at most this many points, each is marked: a line through them is short or has no length."""
INTERVAL_LEAST = 200
"""Units of one dot: with fewer, single bad units would look like a change."""
DRAWN_MAX = len(_COLOURS)
"""Criteria in one plot; the table has all of them."""
_BEFORE, _AFTER = -62_135_596_800_000, 253_402_300_799_000


def evidence(facts: Facts) -> str:
    """Plot ln E of each criterion over event time, and the line at which it is shown good."""
    with mpl.rc_context(_SETTINGS):
        figure, axes = _figure(2.9)
        names = _names(facts)[:DRAWN_MAX]
        for number, (name, colour) in enumerate(zip(names, _COLOURS, strict=False)):
            points = _of(facts.history, name)
            # Each line is thinner than the one before, so that overlapping lines are all visible.
            width = 1.2 + 1.2 * (len(names) - 1 - number)
            levels = [p.criteria[name]["log_e_below"] for p in points]
            axes.plot(_times(points), levels, color=colour, label=name, lw=width, **_marked(points))
        promote_at = next((p.criteria[name]["log_promote_at"] for p in facts.history for name in p.criteria), None)
        if promote_at is not None:
            axes.axhline(promote_at, color=_LIMIT, lw=1, ls="--", label=f"shown good from {promote_at:.3g} on")
            threshold = max(1.0, 2 * promote_at)
            axes.set_yscale("symlog", linthresh=threshold)
            # Between the thresholds the ticks of the scale overlap, and its labels are formulas, which are not rendered
            # here.
            low, high = min(0.0, axes.get_ylim()[0]), axes.get_ylim()[1]
            axes.set_ylim(low, high)
            powers = [10.0**power for power in range(1, 12) if 10.0**power > threshold]
            axes.set_yticks([y for y in (*(-power for power in powers), 0.0, *powers) if low <= y <= high], minor=False)
            axes.yaxis.set_major_formatter("{x:,g}")
        axes.set_ylabel("evidence (ln E)")
        return _svg(figure, axes, "evidence per criterion over event time", _extent(facts))


def rate(facts: Facts, criterion: str) -> str:
    """Plot the rate of one criterion over event time: each interval, the whole with its band, limit, drift."""
    with mpl.rc_context(_SETTINGS):
        figure, axes = _figure(2.4)
        points = [p for p in _of(facts.history, criterion) if p.criteria[criterion]["estimate"] is not None]
        times = _times(points)
        drawn_points = [p.criteria[criterion] for p in points]
        banded = [figures["lower"] is not None and figures["upper"] is not None for figures in drawn_points]
        lower, upper = (
            [point[name] if there else math.nan for point, there in zip(drawn_points, banded, strict=True)]
            for name in ("lower", "upper")
        )
        axes.fill_between(times, lower, upper, color=_BAND, lw=0, label="limits of the whole")
        estimates = [figures["estimate"] for figures in drawn_points]
        axes.plot(times, estimates, color=_COLOURS[0], lw=1.6, label="the whole so far", **_marked(points))
        dots = [window for window in intervals(facts.history, criterion, INTERVAL_LEAST) if _drawable(window.time_ms)]
        dot_times, shares = [_time(dot.time_ms) for dot in dots], [dot.s / dot.n for dot in dots]
        stretches = f"each stretch of {INTERVAL_LEAST} units or more"
        axes.plot(dot_times, shares, ls="", marker=".", ms=4, color="#444a54", label=stretches)
        limit = drawn_points[-1]["limit"] if drawn_points else None
        top = max(*estimates, *shares, 2 * (limit or 0), 0)
        if limit is not None:
            axes.axhline(limit, color=_LIMIT, lw=1, ls="--", label=f"limit {percent(limit)}")
        _mark_drift(axes, facts, criterion)
        axes.set_ylim(0, min(1.05, 1.15 * top) or 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_ylabel(f"{criterion} rate")
        return _svg(figure, axes, f"rate of {criterion} over event time", _extent(facts))


def _marked(points: Sequence[Point]) -> dict[str, Any]:
    return {"marker": "o", "clip_on": False} if len(points) <= FEW else {}


def _mark_drift(axes: Any, facts: Facts, criterion: str) -> None:
    labelled: set[str] = set()
    for event in facts.drift:
        about = event["criterion"]
        word = {"opened": "incident opens", "closed": "incident closes"}.get(event["event"])
        # Events of a field or slice have its name after that of the criterion.
        of_this = about == criterion or about.startswith(f"{criterion}:")
        if word is None or not of_this or not _drawable(event["window_end_ms"]):
            continue
        style: dict[str, Any] = {"color": _BAD if event["event"] == "opened" else "#2f855a", "lw": 1.2}
        axes.axvline(_time(event["window_end_ms"]), label=None if word in labelled else word, **style)
        labelled.add(word)


def _names(facts: Facts) -> list[str]:
    return [criterion["rate"] for criterion in facts.verdict["criteria"]] if facts.verdict else []


def drawn(facts: Facts) -> list[str]:
    """Return the criteria whose rate is plotted: the first with a history, and those with bad units."""
    unmet = {outlook.criterion for outlook in facts.explanation.not_passed}
    signed = {outlook.criterion for outlook in facts.explanation.outlooks if outlook.margin is not None}
    names = [name for name in _names(facts) if name not in signed]
    names = [name for name in names if any(p.criteria[name]["n"] for p in _of(facts.history, name))]
    shown = [name for name in names if name in unmet or any(p.criteria[name]["s"] for p in _of(facts.history, name))]
    return sorted({*names[:1], *shown}, key=lambda name: (name not in unmet, names.index(name)))[:DRAWN_MAX]


def _of(history: Sequence[Point], criterion: str) -> list[Point]:
    return [point for point in history if criterion in point.criteria and _drawable(point.time_ms)]


def _drawable(time_ms: int) -> bool:
    """Return whether a calendar axis can show a time; timestamps of records may be any number."""
    return _BEFORE < time_ms < _AFTER


def _time(time_ms: float) -> Any:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _times(points: Sequence[Point]) -> list[Any]:
    return [_time(point.time_ms) for point in points]


def _extent(facts: Facts) -> tuple[int, int] | None:
    """Return the event time that the plots show: all that the verdict covers, from the begin of its first window."""
    verdict = facts.verdict
    if verdict is None or verdict["from_ms"] is None or verdict["to_ms"] is None:
        return None
    begin, end = verdict["from_ms"], verdict["to_ms"]
    return (begin, end) if begin < end and _drawable(begin) and _drawable(end) else None


def _figure(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(8.6, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots()


def _svg(figure: Figure, axes: Any, title: str, extent: tuple[int, int] | None) -> str:
    if extent is not None:
        margin = (extent[1] - extent[0]) * 0.02
        axes.set_xlim(_time(extent[0] - margin), _time(extent[1] + margin))
    locator = dates.AutoDateLocator(minticks=3, maxticks=8, tz=UTC)  # type: ignore[no-untyped-call]  # it has no types
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]  # as above
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Title": title})
    text = out.getvalue()
    # The page needs no XML head, and it decides the width.
    svg = text[text.index("<svg") :]
    for colour, name in _OF_THEME.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
