"""Options of the page's plots, for ECharts: numbers and fixed texts only. Their colours come from the page's styles."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.report.facts import Point
from shadowstream.status.rate_course import WindowRate, merged

COLOURS = ("#3987e5", "#b7791f", "#2f9e6e", "#9a6fd8", "#d1603d", "#2c94a3", "#d0558f", "#7f8894")
"""Each has a contrast of 3 or more with the page, light and dark."""
BAD, GOOD, LIMIT = "#d64545", "#2f9e6e", "#7f8894"
GRID = "rgba(127, 136, 148, 0.25)"
DRAWN_MAX = len(COLOURS)
DOTS_MAX = 400
SHARE_LEAST, SHARE_GREATEST = -1.0, 1.5
"""Evidence is drawn as a share of what is needed, within these: a strong reject would flatten all else."""
Options = dict[str, Any]
_PERCENT = "Number((100 * (Array.isArray(value) ? value[1] : value)).toPrecision({digits})) + ' %'"
"""A number of the plot as percent; the only part of it that is a program, and it holds nothing from a record."""
Question = Literal["good", "bad"]
_OF: dict[Question, tuple[str, str, str, str]] = {
    "good": ("log_e_below", "log_promote_at", "shown good", GOOD),
    "bad": ("log_e_above", "log_reject_at", "shown bad", BAD),
}


def evidence(history: Sequence[Point], criteria: Sequence[str], question: Question) -> Options:
    """Plot the evidence of each criterion over event time, 100 % being what the answer needs."""
    level, needed, text, colour = _OF[question]
    series: list[Options] = []
    drawn = criteria[:DRAWN_MAX]
    for number, (name, line_colour) in enumerate(zip(drawn, COLOURS, strict=False)):
        found = [(point.time_ms, point.criteria[name]) for point in history if name in point.criteria]
        data = [[at_ms, _share(one[level], one[needed])] for at_ms, one in found]
        # Each line is thinner than the one before, so that lines on one level are all visible.
        series.append(_line(name, data, line_colour, min(5.0, 1.5 + len(drawn) - 1 - number)))
    if series:
        series[0]["markLine"] = _lines([{"yAxis": 1, "name": text}], text, colour)
    return _options(series, low=SHARE_LEAST, high=SHARE_GREATEST)


def rate(
    history: Sequence[Point], windows: Sequence[WindowRate], criterion: str, drift: Sequence[Mapping[str, Any]]
) -> Options:
    """Plot the rate of one criterion over event time: each window, the whole so far with its band, limit and drift."""
    found = [(point.time_ms, point.criteria[criterion]) for point in history if criterion in point.criteria]
    found = [(at_ms, one) for at_ms, one in found if one["estimate"] is not None]
    banded = [(at_ms, one) for at_ms, one in found if one["lower"] is not None and one["upper"] is not None]
    lower = [[at_ms, one["lower"]] for at_ms, one in banded]
    height = [[at_ms, one["upper"] - one["lower"]] for at_ms, one in banded]
    dots = [[one.start_ms, one.s / one.n] for one in merged(windows, DOTS_MAX)]
    each = -(-len(windows) // DOTS_MAX)
    band = {"stack": "band", "symbol": "none", "lineStyle": {"opacity": 0}, "silent": True}
    series: list[Options] = [
        {"name": "lower limit", "type": "line", "data": lower, **band},
        {
            "name": "band: rate between its limits",
            "type": "line",
            "data": height,
            **band,
            "areaStyle": {"color": COLOURS[0], "opacity": 0.2},
            "itemStyle": {"color": COLOURS[0], "opacity": 0.35},
        },
        _line("the whole so far", [[at_ms, one["estimate"]] for at_ms, one in found], COLOURS[0]),
        {
            "name": f"each {each} windows" if each > 1 else "each window",
            "type": "scatter",
            "data": dots,
            "symbolSize": 5,
            "itemStyle": {"color": LIMIT, "opacity": 0.75},
        },
    ]
    limit = found[-1][1]["limit"] if found else None
    marks = [{"yAxis": limit, "name": f"limit {percent(limit)}"}] if limit is not None else []
    series[2]["markLine"] = _lines(marks, "{b}", LIMIT)
    series[3]["markLine"] = _drift_lines(drift, criterion)
    options = _options(series)
    options["legend"]["data"] = [one["name"] for one in series[1:]]
    options["yAxis"]["axisLabel"]["showMaxLabel"] = False
    options["yAxis"]["max"] = _top([*(dot[1] for dot in dots), *(one[1]["estimate"] for one in found)], limit)
    return options


def _top(shares: Sequence[float], limit: float | None) -> float:
    """Return the end of a rate's axis: above all that is drawn, and at least twice the limit.

    >>> _top([0.02, 0.3], 0.01), _top([], 0.01), _top([1.0], None)
    (0.36, 0.024, 1.0)
    """
    top = max([*shares, 2 * (limit or 0)], default=0) or 0.05
    return min(1.0, float(f"{1.2 * top:.2g}"))


def _drift_lines(drift: Sequence[Mapping[str, Any]], criterion: str) -> Options:
    marks = []
    for event in drift:
        about = event["criterion"]
        word = {"opened": "incident opens", "closed": "incident closes"}.get(event["event"])
        # Events of a field or a slice have its name after that of the criterion.
        if word is not None and (about == criterion or about.startswith(f"{criterion}:")):
            colour = BAD if event["event"] == "opened" else GOOD
            line = {"lineStyle": {"color": colour}, "label": {"position": "end"}}
            marks.append({"xAxis": event["window_end_ms"], "name": word, **line})
    return _lines(marks, "{b}", BAD)


def _share(evidence: float, needed: float) -> float:
    share = evidence / needed if needed > 0 else 0.0
    return round(min(SHARE_GREATEST, max(SHARE_LEAST, share)), 4)


def _line(name: str, data: Sequence[Any], colour: str, width: float = 2) -> Options:
    return {
        "name": name,
        "type": "line",
        "data": data,
        "showSymbol": len(data) == 1,
        "symbolSize": 7,
        "lineStyle": {"width": width, "color": colour},
        "itemStyle": {"color": colour},
    }


def _lines(marks: Sequence[Mapping[str, Any]], text: str, colour: str) -> Options:
    label = {"formatter": text, "position": "insideEndTop", "fontSize": 11}
    style = {"type": "dashed", "width": 1.5, "color": colour}
    return {
        "silent": True,
        "symbol": "none",
        "animation": False,
        "data": list(marks),
        "label": label,
        "lineStyle": style,
    }


def _options(series: Sequence[Options], low: float | None = 0, high: float | None = None) -> Options:
    labels = {":formatter": f"value => {_PERCENT.format(digits=3)}", "fontSize": 11}
    shares: Options = {"type": "value", "min": low, "axisLabel": labels, "splitLine": {"lineStyle": {"color": GRID}}}
    shares |= {"max": high} if high is not None else {}
    return {
        "animation": False,
        "useUTC": True,
        "grid": {"left": 8, "right": 16, "top": 44, "bottom": 8, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "left": 0, "itemWidth": 16, "itemHeight": 8},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "className": "tip",
            ":valueFormatter": f"value => value == null ? '-' : {_PERCENT.format(digits=4)}",
        },
        "xAxis": {
            "type": "time",
            "axisLabel": {"hideOverlap": True, "fontSize": 11},
            "axisLine": {"lineStyle": {"color": LIMIT}, "onZero": False},
        },
        "yAxis": shares,
        "series": list(series),
    }
