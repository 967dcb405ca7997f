"""Options of the plots: what is drawn where, within bounds, and nothing of a record becomes a program."""

import json
from collections.abc import Iterator
from typing import Any

from shadowstream.report.facts import POINTS_MAX
from shadowstream.status.rate_course import WindowRate
from shadowstream.web import charts
from tests.judge.stats_records import HOUR_MS
from tests.report.trial_facts import FIRST_MS, HOSTILE, trial


def names() -> list[str]:
    return [one["rate"] for one in (trial().verdict or {})["criteria"]]


def programs(options: Any) -> Iterator[str]:
    """The texts that the browser evaluates: those under keys that begin with a colon."""
    if isinstance(options, dict):
        for key, value in options.items():
            if key.startswith(":"):
                yield value
            yield from programs(value)
    elif isinstance(options, list):
        for value in options:
            yield from programs(value)


def test_evidence_is_a_share_of_what_the_answer_needs() -> None:
    good, bad = (charts.evidence(trial().history, names(), question) for question in ("good", "bad"))
    for options, level, needed in ((good, "log_e_below", "log_promote_at"), (bad, "log_e_above", "log_reject_at")):
        for series, name in zip(options["series"], names(), strict=False):
            assert series["name"] == name
            for (at_ms, share), point in zip(series["data"], trial().history, strict=True):
                record = point.criteria[name]
                assert at_ms == point.time_ms
                assert share == round(min(1.5, max(-1.0, record[level] / record[needed])), 4)
        assert options["series"][0]["markLine"]["data"][0]["yAxis"] == 1


def test_the_rate_has_its_windows_band_limit_and_incidents() -> None:
    windows = [WindowRate(FIRST_MS + hour * HOUR_MS, 100, 8 * (hour >= 40)) for hour in range(60)]
    options = charts.rate(trial().history, windows, "mismatch", trial().drift)
    lower, height, whole, dots = options["series"]
    last = trial().history[-1].criteria["mismatch"]
    assert (whole["data"][-1][1], lower["data"][-1][1]) == (last["estimate"], last["lower"])
    assert abs(lower["data"][-1][1] + height["data"][-1][1] - last["upper"]) < 1e-12
    assert [share for _, share in dots["data"]] == [0.0] * 40 + [0.08] * 20
    assert [one["yAxis"] for one in whole["markLine"]["data"]] == [last["limit"]]
    opened = [event["window_end_ms"] for event in trial().drift if event["event"] == "opened"]
    assert opened
    assert [one["xAxis"] for one in dots["markLine"]["data"]] == opened
    assert options["yAxis"]["max"] > 0.08


def test_plots_are_bounded_and_drawn_without_data_too() -> None:
    windows = [WindowRate(hour * HOUR_MS, 10, 1) for hour in range(10_000)]
    options = charts.rate(trial().history, windows, "mismatch", ())
    assert len(options["series"][3]["data"]) <= charts.DOTS_MAX
    many = [*trial().history] * (POINTS_MAX // len(trial().history))
    assert len(charts.evidence(many, [*names()] * 9, "good")["series"]) <= charts.DRAWN_MAX
    assert charts.evidence((), (), "good")["series"] == []
    assert charts.rate((), (), "mismatch", ())["series"][2]["data"] == []


def test_no_text_of_a_record_is_evaluated() -> None:
    criterion = f"field:{HOSTILE}"
    point = trial().history[-1]
    history = [point._replace(criteria={criterion: point.criteria["mismatch"]})]
    drift = [{**trial().drift[0], "event": "opened", "criterion": f"{criterion}:{HOSTILE}"}]
    for options in (
        charts.evidence(history, [criterion], "good"),
        charts.rate(history, [WindowRate(0, 9, 1)], criterion, drift),
    ):
        assert len([*programs(options)]) == 2
        assert not any("script" in one or "mismatch" in one for one in programs(options))
        json.dumps(options, allow_nan=False)
