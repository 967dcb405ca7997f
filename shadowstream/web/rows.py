"""Rows of the page's tables, from figures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.verdict.outlook import Outlook
from shadowstream.protocol.outcomes import BAD
from shadowstream.status.durations import ago
from shadowstream.status.figures import Role, Side
from shadowstream.status.words import number, path_text, side_text, time_text
from shadowstream.web.trial_watch import Gate, RevisionFigures, TrialFigures

DECISION_STYLES = {"promote": "good", "reject": "bad", "not_yet": "wait"}
DIFFERENCES_SHOWN = 2
_BAD_STATES = ("shown bad", "over the limit", "not good lately")
CRITERIA = ("Criterion", "State", "Bad / units", "Rate", "Limit", "Evidence", "Still needs")
FIELDS = ("Field", "Pairs that differ", "Typical delta", "Middle half of the deltas")
SLICES = ("Slice", "Pairs that differ", "Share", "At least")
CHANGES = ("About", "Event", "Windows until (UTC)", "Before", "After", "Why")
SIDES = ("Side", "Records", "A second", "Not read yet")
ROLES = ("Role", "Health", "Last sign of life")
LATENCIES = ("Latency of", "Pairs", "p50", "p90", "p99")
TRIALS = ("Trial", "Verdict", "First reason", "Mismatch", "Not read yet", "Looked at")
WINDOWS = ("Window from (UTC)", "Units", "Bad", "Rate")
Record = Mapping[str, Any]


class Cell(NamedTuple):
    """A cell: its text, and the name of its style. `press`: its action, if it is a button. `link`: where it leads."""

    text: str
    style: str = ""
    press: Callable[[], object] | None = None
    link: str | None = None


def decision_text(decision: str) -> str:
    return decision.replace("_", " ")


def state_style(outlook: Outlook) -> str:
    return "good" if outlook.passed else "bad" if outlook.state in _BAD_STATES else "wait"


def criteria(gate: Gate) -> list[list[Cell]]:
    """Each criterion with its counts, its limit, its evidence and what it still needs."""
    records = {one["rate"]: one for one in gate.verdict["criteria"]} if gate.verdict is not None else {}
    return [
        [
            Cell(one.criterion),
            Cell(f"{one.state}{' (muted)' if one.muted else ''}", f"short {state_style(one)}"),
            Cell(f"{one.s:,.6g} of {one.n:,} {one.units}"),
            Cell(_rate(one), "short"),
            Cell(percent(one.limit), "short"),
            Cell(_evidence(records[one.criterion])),
            Cell(_needs(one)),
        ]
        for one in gate.explanation.outlooks
    ]


def _rate(one: Outlook) -> str:
    if one.margin is not None:
        return f"worse by {one.difference or 0:.4g}, margin {one.margin:.4g}"
    if not one.n or not 0 <= one.s <= one.n:
        return "–"
    band = f" ({percent(one.bounds[0], 3)} to {percent(one.bounds[1], 3)})" if one.bounds is not None else ""
    return f"{percent(one.s / one.n, 3)}{band}"


def _evidence(record: Record) -> str:
    """Describe the evidence of a criterion as a share of what its answer needs.

    >>> _evidence({"log_e_below": 1.5, "log_promote_at": 3.0, "log_e_above": -1.0, "log_reject_at": 4.0})
    'good: 50 % of what is needed'
    """
    for answer, level, needed in (("bad", "log_e_above", "log_reject_at"), ("good", "log_e_below", "log_promote_at")):
        if record[level] > 0 and record[needed] > 0:
            share = record[level] / record[needed]
            return f"{answer}: {'shown' if share >= 1 else f'{percent(share, 2)} of what is needed'}"
    return "none yet"


def _needs(one: Outlook) -> str:
    parts = ["another candidate: more units change nothing"] if one.state == "shown bad" else []
    if one.more and not one.passed:
        hours = "" if one.hours is None else f", about {ago(round(one.hours * 3_600_000))} of event time"
        parts.append(f"{one.more:,} more {one.units}{hours}")
    parts += one.why if not one.passed else ()
    if not parts:
        return "nothing" if one.passed else "no number of units is enough" if one.needed is None else "nothing more"
    return "; ".join(parts)


def fields(figures: RevisionFigures) -> list[list[Cell]]:
    """Each field that differs, by the whole trial's counts where there are some, with its typical delta."""
    counted = (figures.status.so_far or {}).get("fields", {}) if figures.status is not None else {}
    counted = counted or (figures.gate.verdict["fields"] if figures.gate.verdict is not None else {}) or figures.fields
    rows = []
    for path, pairs in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
        typical = figures.typical.get(path)
        middle = "–" if typical is None else f"{typical.median:+.4g}"
        spread = "–" if typical is None else f"{typical.low:+.4g} to {typical.high:+.4g} (newest {typical.n:,})"
        rows.append([Cell(path_text(path), "mono"), Cell(f"{pairs:,}"), Cell(middle), Cell(spread)])
    return rows


def slices(gate: Gate) -> list[list[Cell]]:
    """Each slice that holds an excess of differences, worst first."""
    listed = gate.verdict["slices"] if gate.verdict is not None else ()
    return [
        [
            Cell(", ".join(f"{name}={value}" for name, value in zip(one["dimensions"], one["values"], strict=True))),
            Cell(f"{one['s']:,} of {one['n']:,}"),
            Cell(percent(one["s"] / one["n"], 3) if one["n"] else "–"),
            Cell(percent(one["lower"], 3)),
        ]
        for one in listed
    ]


def changes(drift: Sequence[Record]) -> list[list[Cell]]:
    """The drift events, the newest first."""
    styles = {"opened": "bad", "closed": "good"}
    words = {"opened": "incident opens", "closed": "incident closes", "flag": "a detector fired"}
    words |= {"named": "incident is named after its slice"}
    return [
        [
            Cell(event["criterion"]),
            Cell(words.get(event["event"], str(event["event"])), styles.get(event["event"], "")),
            Cell(time_text(event["window_end_ms"])),
            Cell(percent(event["before"], 3)),
            Cell(percent(event["after"], 3)),
            Cell(event["reason"]),
        ]
        for event in reversed(drift)
    ]


def sides(found: Sequence[Side]) -> list[list[Cell]]:
    return [
        [
            Cell(one.name),
            Cell(f"{one.records:,}"),
            Cell("–" if one.per_s is None else f"{one.per_s:,.4g}"),
            Cell("–" if one.lag is None else f"{one.lag:,}"),
        ]
        for one in found
    ]


def roles(found: Sequence[Role], now_ms: int) -> list[list[Cell]]:
    rows = []
    for one in found:
        health = (
            ("ask its /healthz", "") if one.healthy is None else ("well", "good") if one.healthy else ("silent", "bad")
        )
        last = "–" if one.last_ms is None else f"{one.shown_by} {ago(now_ms - one.last_ms)} ago"
        rows.append([Cell(one.name), Cell(*health), Cell(last)])
    return rows


def latencies(gate: Gate) -> list[list[Cell]]:
    listed = gate.verdict["latencies"] if gate.verdict is not None else ()
    return [
        [
            Cell(one["side"]),
            Cell(f"{one['n']:,}"),
            *(Cell(f"{number(float(one[name]))} ms") for name in ("p50", "p90", "p99")),
        ]
        for one in listed
    ]


def windows(figures: RevisionFigures, criterion: str, shown_max: int) -> list[list[Cell]]:
    """The newest windows of one criterion, the newest first."""
    return [
        [Cell(time_text(one.start_ms)), Cell(f"{one.n:,}"), Cell(f"{one.s:,}"), Cell(percent(one.s / one.n, 3))]
        for one in reversed(figures.windows.get(criterion, ())[-shown_max:])
    ]


def difference_text(record: Record) -> str:
    """The differences of a row of diff in one line, or its reason.

    >>> part = {"path": "score", "production": "1.0", "shadow": "1.5"}
    >>> difference_text({"reason": None, "differences": [part, part, part]})
    'score: 1.0 → 1.5; score: 1.0 → 1.5; and 1 more'
    """
    parts = [
        f"{path_text(one['path'])}: {side_text(one['production'])} → {side_text(one['shadow'])}"
        for one in record["differences"]
    ]
    more = [f"and {len(parts) - DIFFERENCES_SHOWN} more"] if len(parts) > DIFFERENCES_SHOWN else []
    return "; ".join([*([record["reason"]] if record["reason"] else []), *parts[:DIFFERENCES_SHOWN], *more])


def outcome(record: Record) -> Cell:
    corrected = f" (was {record['correction_of']})" if record["correction_of"] else ""
    return Cell(f"{record['outcome']}{corrected}", "bad" if record["outcome"] in BAD else "wait")


def trials(found: Sequence[TrialFigures], link: Mapping[str, str]) -> list[list[Cell]]:
    rows = []
    for one in found:
        figures = one.revisions.get(one.own)
        if figures is None:
            waits = one.problem or "the first look has not ended"
            rows.append([Cell(one.name, link=link[one.name]), Cell("–"), Cell(waits), Cell("–"), Cell("–"), Cell("–")])
            continue
        gate, status = figures.gate, figures.status
        mismatch = next((o for o in gate.explanation.outlooks if o.criterion == "mismatch"), None)
        lag = [side.lag for side in status.sides if side.lag is not None] if status is not None else []
        rows.append(
            [
                Cell(one.name, link=link[one.name]),
                Cell(decision_text(gate.decision), DECISION_STYLES[gate.decision]),
                Cell(one.problem or (gate.reasons[0] if gate.reasons else "–")),
                Cell("–" if mismatch is None else f"{_rate(mismatch)}, limit {percent(mismatch.limit)}"),
                Cell(f"{sum(lag):,}" if lag else "–"),
                Cell("–" if one.looked_ms is None else f"{time_text(one.looked_ms)} UTC"),
            ]
        )
    return rows


def revisions(figures: TrialFigures) -> list[list[Cell]]:
    """The criteria of all revisions side by side: a column for each revision."""
    listed = list(figures.revisions.values())
    names = dict.fromkeys(one.criterion for each in listed for one in each.gate.explanation.outlooks)
    rows = [
        [Cell("verdict"), *(Cell(decision_text(r.gate.decision), DECISION_STYLES[r.gate.decision]) for r in listed)],
        [
            Cell("windows closed"),
            *(Cell("–" if r.gate.verdict is None else f"{r.gate.verdict['windows_closed']:,}") for r in listed),
        ],
    ]
    for name in names:
        cells = [Cell(name)]
        for each in listed:
            outlook = next((one for one in each.gate.explanation.outlooks if one.criterion == name), None)
            cells.append(
                Cell("–") if outlook is None else Cell(f"{outlook.state}: {_rate(outlook)}", state_style(outlook))
            )
        rows.append(cells)
    return rows
