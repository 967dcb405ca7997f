"""The lines of a status: from figures to words, by table."""

from typing import Any

import pytest

from shadowstream.judge.verdict.outlook import Outlook
from shadowstream.status.figures import OpenWindow, Role, Side, Status
from shadowstream.status.lines import Line, lines, minute_line, open_lines

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
START_MS = NOW_MS // HOUR_MS * HOUR_MS
WINDOW = OpenWindow(START_MS, START_MS + HOUR_MS, 200, 66, {"match": 130, "mismatch": 66, "ignored": 4, "missing": 2})
OUTLOOK = Outlook("mismatch", "record", "pairs", 2_000, 4, 0.01, "not shown yet", False, False, 2_750, 750, 3.0, 250.0)
SO_FAR = {
    "outcomes": {"match": 900, "mismatch": 66, "candidate_error": 34},
    "reasons": {"candidate_error: TypeError: no q": 34, "missing: silent": 2},
    "fields": {"score": 66, "": 1},
}
SIDES = [Side("inputs", 1_000, 50.0, 7, {"in/0": 5}), Side("production", 990, 49.5, 0, {"scores/0": 3})]


def status(**changes: Any) -> Status:
    known: dict[str, Any] = {"name": "fraud", "revision": "ab" * 32, "candidate": "m:score", "now_ms": NOW_MS}
    known |= {"decision": "not_yet", "final": False, "answer": ("no window has closed",), "began": "began at in/0@5"}
    return Status(**known | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Line(f"trial fraud, revision {'ab' * 6}, candidate m:score", "title")),
        ({}, Line("not yet at 22:13:20 UTC: no window has closed", "warning")),
        ({"decision": "reject", "answer": ()}, Line("reject at 22:13:20 UTC", "bad")),
        ({"decision": "promote", "answer": ()}, Line("promote at 22:13:20 UTC", "good")),
        ({"problem": "no broker answers"}, Line("these figures are old: no broker answers", "bad")),
        ({}, Line("  began at in/0@5")),
        ({"began": None}, Line("  has not begun: no runner has pinned where")),
        ({"sides": SIDES}, Line("  inputs: 1,000 records, 50 a second (7 not read yet)")),
        ({"sides": SIDES}, Line("  production: 990 records, 49.5 a second (all read); began at scores/0@3")),
        ({"so_far": SO_FAR}, Line("windows: none has closed yet, none is open")),
        (
            {"so_far": SO_FAR, "windows": [WINDOW], "windows_closed": 3},
            Line("windows: 3 closed, 1 open; no verdict counts what is open"),
        ),
        (
            {"so_far": SO_FAR, "windows": [WINDOW], "passed_ms": START_MS + 600_000, "holding": "scores/0 is slow"},
            Line(
                "  open since 22:00 UTC: 66 of 200 pairs differ (33 %), ignored 4, missing 2; closes at 23:00 UTC of "
                "event time, 50 min ahead (scores/0 is slow)"
            ),
        ),
        (
            {"so_far": SO_FAR, "windows": [WINDOW], "holding": "nothing is known"},
            Line(
                "  open since 22:00 UTC: 66 of 200 pairs differ (33 %), ignored 4, missing 2; closes once every task "
                "has passed 23:00 UTC (nothing is known)"
            ),
        ),
        ({"so_far": SO_FAR, "windows": [WINDOW] * 3}, Line("  all 3 open windows: 198 of 600 pairs differ (33 %)")),
        (
            {"so_far": SO_FAR},
            Line("outcomes so far: match 900 (90 %), mismatch 66 (6.6 %), candidate_error 34 (3.4 %)"),
        ),
        ({"so_far": SO_FAR}, Line("fields that differ: score 66, (whole value) 1")),
        ({"so_far": SO_FAR}, Line("top errors: 34 x TypeError: no q", "bad")),
        ({"so_far": SO_FAR}, Line("top reasons: missing: silent 2")),
        (
            {"criteria": [OUTLOOK]},
            Line(
                "  mismatch: not shown yet: 4 of 2,000 pairs (0.2 %), limit 1 %; needs 750 more, about 3 h of event "
                "time",
                "warning",
            ),
        ),
        ({"incidents": ["country=NO since 12:30"]}, Line("  country=NO since 12:30", "bad")),
        ({"roles": [Role("runner", NOW_MS - 3_000, True, "mark")]}, Line("  runner: last mark 3 s ago", "good")),
        (
            {"roles": [Role("joiner", NOW_MS - 300_000, False, "statistics")]},
            Line("  joiner: last statistics 5 min ago: it does not run or makes no progress", "bad"),
        ),
        ({"roles": [Role("judge", None, False, "verdict")]}, Line("  judge: no verdict yet", "warning")),
        (
            {"roles": [Role("alerts", None, None, "")]},
            Line("  alerts: writes no sign of life; ask its /healthz", "faint"),
        ),
    ],
)
def test_each_figure_has_its_line(changes: dict[str, Any], expected: Line) -> None:
    assert expected in lines(status(**changes))


def test_the_line_of_a_minute_has_records_lag_outcomes_window_and_verdict() -> None:
    seen = status(sides=SIDES, so_far=SO_FAR, windows=[WINDOW], passed_ms=START_MS, holding="scores/0 is slow")
    assert minute_line(seen) == (
        "inputs 1,000 (7 not read yet); production 990 (all read); match 900 (90 %), mismatch 66 (6.6 %), "
        "candidate_error 34 (3.4 %); open since 22:00 UTC: 66 of 200 pairs differ (33 %), ignored 4, missing 2; closes "
        "at 23:00 UTC of event time, 60 min ahead (scores/0 is slow); verdict: not yet"
    )
    assert minute_line(status()) == "verdict: not yet"


def test_explain_gets_lines_of_open_windows_only() -> None:
    assert open_lines(status(so_far=SO_FAR)) == []
    found = open_lines(status(so_far=SO_FAR, windows=[WINDOW]))
    assert found[0] == "so far, open windows included: no verdict counts what is open"
