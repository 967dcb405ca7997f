"""Lines of a status for people, at any width, and the one line of each minute."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.verdict.candidate_errors import failure_lines
from shadowstream.judge.verdict.outlook import Outlook
from shadowstream.status.durations import ago, clock
from shadowstream.status.figures import OpenWindow, Role, Side, Status
from shadowstream.status.words import path_text

Style = Literal["plain", "title", "good", "bad", "warning", "faint"]
_INDENT = "  "
REASONS_MAX, FIELDS_MAX, OUTCOMES_MAX, WINDOWS_MAX, PLACES_MAX = 3, 5, 8, 2, 4
_DECISIONS: dict[str, Style] = {"promote": "good", "reject": "bad", "not_yet": "warning"}
_GOOD, _BAD = ("shown good", "good so far"), ("shown bad", "over the limit", "not good lately")


class Line(NamedTuple):
    """A line and its style."""

    text: str
    style: Style = "plain"


def lines(status: Status) -> list[Line]:
    """Return the whole status."""
    who = f"trial {status.name}, revision {status.revision[:12]}, candidate {status.candidate}"
    at = f" at {clock(status.now_ms, status.now_ms)}"
    reason = f": {status.answer[0]}" if status.answer else ""
    head = [
        Line(who, "title"),
        Line(f"{status.decision.replace('_', ' ')}{at}{reason}", _DECISIONS[status.decision]),
    ]
    if status.problem is not None:
        head.append(Line(f"these figures are old: {status.problem}", "bad"))
    began = Line(f"{_INDENT}{status.began or 'has not begun: no runner has pinned where'}")
    return [
        *head,
        began,
        *_of_sides(status),
        *_of_windows(status),
        *_of_counts(status),
        *_titled("criteria:", map(criterion_line, status.criteria)),
        *_titled("incidents:", (Line(f"{_INDENT}{text}", "bad") for text in status.incidents)),
        *_titled("steered:", (Line(f"{_INDENT}{text}", "warning") for text in status.steered)),
        *_titled("expires soon:", (Line(f"{_INDENT}{text}", "warning") for text in status.expiring)),
        *_titled("roles:", (_role(role, status.now_ms) for role in status.roles)),
    ]


def minute_line(status: Status) -> str:
    """Return the status in one line: records of each side, lag, outcomes, the open window and the verdict."""
    parts = [f"{side.name} {side.records:,}{_lag(side)}" for side in status.sides]
    outcomes = (status.so_far or {}).get("outcomes", {})
    parts += [", ".join(_shares(outcomes, 4))] if outcomes else []
    parts += [window_text(status.windows[-1], status)] if status.windows else []
    return "; ".join([*parts, f"verdict: {status.decision.replace('_', ' ')}"])


def open_lines(status: Status) -> list[str]:
    """Return all that came so far, open windows included; no lines without an open window."""
    if not status.windows:
        return []
    shown = [line.text for line in (*_of_windows(status)[1:], *_of_counts(status))]
    title = "so far, open windows included: no verdict counts what is open"
    return [title, *(f"{_INDENT}{text.strip()}" for text in shown)]


def _titled(title: str, found: Iterable[Line]) -> list[Line]:
    body = list(found)
    return [Line(title, "title"), *body] if body else []


def _of_sides(status: Status) -> list[Line]:
    found = []
    for side in status.sides:
        rate = f", {side.per_s:,.4g} a second" if side.per_s is not None else ""
        # The sentence above has those of the inputs.
        since = f"; began at {_begin(side.begins)}" if side.begins and side.name != "inputs" else ""
        text = f"{_INDENT}{side.name}: {side.records:,} records{rate}{_lag(side)}{since}"
        found.append(Line(text))
    return _titled("read:", found)


def _begin(begins: Mapping[str, int]) -> str:
    """Describe where a side began, a topic at a time where its partitions have one offset.

    >>> _begin({"scores/0": 7, "scores/1": 7}), _begin({"scores/0": 7, "scores/1": 9})
    ('offset 7 of scores', 'scores/0@7, scores/1@9')
    """
    offsets, topics = set(begins.values()), sorted({place.rpartition("/")[0] for place in begins})
    if len(offsets) == 1 and len(begins) > 1:
        return f"offset {offsets.pop()} of {', '.join(topics)}"
    places = [f"{place}@{at}" for place, at in begins.items()]
    more = f" and {len(places) - PLACES_MAX} more" if len(places) > PLACES_MAX else ""
    return f"{', '.join(places[:PLACES_MAX])}{more}"


def _lag(side: Side) -> str:
    return "" if side.lag is None else f" ({side.lag:,} not read yet)" if side.lag else " (all read)"


def _of_windows(status: Status) -> list[Line]:
    if status.so_far is None:
        return []
    closed = f"{status.windows_closed:,} closed" if status.windows_closed else "none has closed yet"
    if not status.windows:
        return [Line(f"windows: {closed}, none is open")]
    shown = [Line(f"{_INDENT}{window_text(window, status)}") for window in status.windows[:WINDOWS_MAX]]
    if len(status.windows) > WINDOWS_MAX:
        pairs, differ = (sum(getattr(one, name) for one in status.windows) for name in ("pairs", "differ"))
        shown.append(Line(f"{_INDENT}all {len(status.windows)} open windows: {_differing(pairs, differ)}"))
    return [Line(f"windows: {closed}, {len(status.windows)} open; no verdict counts what is open"), *shown]


def window_text(window: OpenWindow, status: Status) -> str:
    """Describe an open window: its counts, and the event time at which it closes."""
    begin, end = clock(window.start_ms, status.now_ms), clock(window.end_ms, status.now_ms)
    head = f"open since {begin}: {_differing(window.pairs, window.differ)}"
    others = {name: n for name, n in window.outcomes.items() if name not in ("match", "mismatch")}
    beside = f", {', '.join(f'{name} {n:,}' for name, n in others.items())}" if others else ""
    if status.passed_ms is None:
        return f"{head}{beside}; closes once every task has passed {end} ({status.holding})"
    left = ago(window.end_ms - status.passed_ms)
    return f"{head}{beside}; closes at {end} of event time, {left} ahead ({status.holding})"


def _differing(pairs: int, differ: int) -> str:
    return f"{differ:,} of {pairs:,} pairs differ{_share(differ, pairs)}"


def _share(part: int, whole: int) -> str:
    return f" ({percent(part / whole, 3)})" if 0 <= part <= whole and whole else ""


def _shares(counts: Mapping[str, int], limit: int) -> list[str]:
    """Return the commonest counts with their shares, and the number of those left out.

    >>> _shares({"match": 3, "mismatch": 1}, 1)
    ['match 3 (75 %)', '1 of 1 other']
    """
    total = sum(counts.values())
    shown = [f"{name} {n:,}{_share(n, total)}" for name, n in [*counts.items()][:limit]]
    rest = [*counts.values()][limit:]
    return [*shown, f"{sum(rest):,} of {len(rest)} other{'s' * (len(rest) > 1)}"] if rest else shown


def _of_counts(status: Status) -> list[Line]:
    if status.so_far is None or not status.so_far["outcomes"]:
        return []
    outcomes, reasons, fields = (status.so_far[name] for name in ("outcomes", "reasons", "fields"))
    found = [Line(f"outcomes so far: {', '.join(_shares(outcomes, OUTCOMES_MAX))}")]
    if fields:
        found.append(Line(f"fields that differ: {', '.join(_counted(fields, FIELDS_MAX))}"))
    errors = failure_lines({"outcomes": outcomes, "outcome_reasons": reasons})
    found += [Line(line, "bad") for line in errors]
    others = {name: n for name, n in reasons.items() if not any(name.partition(": ")[2] in line for line in errors)}
    if others:
        found.append(Line(f"top reasons: {'; '.join(_counted(others, REASONS_MAX))}"))
    return found


def _counted(counts: Mapping[str, int], limit: int) -> list[str]:
    return [f"{path_text(name)} {n:,}" for name, n in [*counts.items()][:limit]]


def criterion_line(outlook: Outlook) -> Line:
    """Describe a criterion: its rate, its limit, and what it still needs."""
    rate = f"{outlook.s:,.6g} of {outlook.n:,} {outlook.units}"
    share = f" ({percent(outlook.s / outlook.n, 3)})" if outlook.n and 0 <= outlook.s <= outlook.n else ""
    need = ""
    if outlook.more:
        hours = "" if outlook.hours is None else f", about {ago(round(outlook.hours * 3_600_000))} of event time"
        need = f"; needs {outlook.more:,} more{hours}"
    muted = "; muted: it decides nothing" if outlook.muted else ""
    style: Style = "good" if outlook.passed else "bad" if outlook.state in _BAD else "warning"
    text = f"{_INDENT}{outlook.criterion}: {outlook.state}: {rate}{share}, limit {percent(outlook.limit)}{need}{muted}"
    why = f"; {outlook.why[0]}" if outlook.why and not outlook.passed else ""
    return Line(text + why, style)


def _role(role: Role, now_ms: int) -> Line:
    if role.healthy is None:
        return Line(f"{_INDENT}{role.name}: writes no sign of life; ask its /healthz", "faint")
    if role.last_ms is None:
        return Line(f"{_INDENT}{role.name}: no {role.shown_by} yet", "good" if role.healthy else "warning")
    text = f"{_INDENT}{role.name}: last {role.shown_by} {ago(now_ms - role.last_ms)} ago"
    return Line(text, "good") if role.healthy else Line(f"{text}: it does not run or makes no progress", "bad")
