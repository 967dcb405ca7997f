"""Sentences of alerts for people: percent, times, slices, examples. Pure: from records and payloads alone."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shadowstream.judge.distributions.words import PSI
from shadowstream.judge.evidence.rate_bounds import BAD_WORDS, percent
from shadowstream.status.durations import clock
from shadowstream.status.words import key_text, number, side_text

Record = Mapping[str, Any]
VALUE_CHARS_MAX = 120
DIFFERENCES_MAX = 4


def command(words: str, *more: str) -> str:
    """Return a command line that a shell takes as it is.

    >>> command("explain", "/etc/my trials/a.yaml")
    "shadowstream explain '/etc/my trials/a.yaml'"
    """
    return f"shadowstream {words} {shlex.join(more)}"


def iso(time_ms: int) -> str | None:
    """Return a time as an option of a command; None if the calendar has no such year.

    >>> iso(1_372_681_800_000), iso(2**62)
    ('2013-07-01T12:30:00Z', None)
    """
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return None


def begin_ms(record: Record) -> int:
    """Return the begin of a change; older records have only the window in which it was seen."""
    since_ms: int | None = record.get("since_ms")
    begin: int = record["window_start_ms"] if since_ms is None else since_ms
    return begin


def slice_of(record: Record) -> str | None:
    """Return the slice that an incident is named after.

    >>> slice_of({"criterion": "mismatch", "subject": "mismatch:country=NO"})
    'country=NO'
    >>> slice_of({"criterion": "mismatch", "subject": "mismatch:score"}) is None
    True
    """
    named = (record.get("subject") or record["criterion"]).partition(":")[2]
    return named if "=" in named else None


def place(record: Record) -> str:
    """Return where an incident is: its slice, else its criterion."""
    criterion: str = record.get("subject") or record["criterion"]
    return record.get("slice") or slice_of(record) or criterion


def headline(record: Record) -> str:
    """Return a change without its time.

    >>> headline({"criterion": "mismatch", "subject": "mismatch:country=NO", "n": 2126.0, "bad": 705.0, "after": 0.2})
    '33 % wrong in country=NO'
    """
    if record.get("detector") == PSI:
        return f"{record['criterion'].split(':')[1]} is distributed differently"
    subject: str = record.get("subject") or record["criterion"]
    rate, _, rest = subject.partition(":")
    part = slice_of(record)
    where = f" in {part}" if part else f" in {rest}" if rest else ""
    return f"{_share(record)} {BAD_WORDS.get(rate.partition('@')[0], f'over its limit ({rate})')}{where}"


def _share(record: Record) -> str:
    n, bad = record.get("n"), record.get("bad")
    return percent(bad / n if n and bad is not None else record["after"], 2)


def opened(record: Record, now_ms: int) -> str:
    """Return the sentence of an incident that opens.

    >>> record = {"criterion": "mismatch", "subject": "mismatch:country=NO", "limit": 0.01, "n": 2126.0, "bad": 705.0}
    >>> opened(record | {"since_ms": 1_372_681_800_000, "after": 0.3, "window_start_ms": 0}, 1_372_690_000_000)
    '33 % wrong since 12:30 UTC (705 of 2,126) in country=NO, limit 1 %'
    """
    if record.get("detector") == PSI:
        return f"{record['reason']}; since {clock(begin_ms(record), now_ms)}"
    what, found, where = headline(record).partition(" in ")
    n, bad, limit = record.get("n"), record.get("bad"), record.get("limit")
    counts = f" ({number(bad)} of {number(n)})" if n and bad is not None else f" (before: {percent(record['before'])})"
    allowed = f", limit {percent(limit)}" if limit is not None else ""
    return f"{what} since {clock(begin_ms(record), now_ms)}{counts}{found}{where}{allowed}"


def closed(record: Record, now_ms: int) -> str:
    """Return the sentence of an incident that closes.

    >>> record = {"criterion": "mismatch", "limit": 0.01, "before": 0.3, "after": 0.001}
    >>> closed(record | {"window_end_ms": 1_372_681_800_000}, 1_372_690_000_000)
    'resolved at 12:30 UTC: mismatch is back to 0.1 % after 30 %, limit 1 %'
    """
    if record.get("detector") == PSI:
        return f"resolved at {clock(record['window_end_ms'], now_ms)}: {record['reason']}"
    limit = record.get("limit")
    allowed = f", limit {percent(limit)}" if limit is not None else ""
    rates = f"{percent(record['after'], 2)} after {percent(record['before'], 2)}"
    return f"resolved at {clock(record['window_end_ms'], now_ms)}: {record['criterion']} is back to {rates}{allowed}"


def rejected(record: Record, *, watch_over: bool = False) -> str:
    """Return the sentence of a reject: the criteria that are shown bad, worst first, with counts and limits.

    `watch_over`: production is a promoted version, and the reject means roll back.
    """
    bad = [one for one in record["criteria"] if one["shown_bad"]]
    bad.sort(key=lambda one: (one["estimate"] or 0.0) / one["limit"], reverse=True)
    parts = [
        f"{percent(one['estimate'] or 0.0, 2)} {BAD_WORDS.get(one['rate'], one['rate'])} "
        f"({number(one['s'])} of {number(one['n'])}), limit {percent(one['limit'])}"
        for one in bad
    ]
    why = parts or [reason.rstrip(".") for reason in record["reasons"]]
    what = "roll back: the new version is shown to be worse" if watch_over else "the candidate is rejected"
    return f"{what}: {'; '.join(why)}"


def typical(changes: Mapping[str, float]) -> str:
    """Return the typical change of fields.

    >>> typical({"score": 0.25, "amount": -3.0})
    'score typically +0.25, amount typically -3'
    """
    return ", ".join(f"{path or 'value'} typically {change:+.4g}" for path, change in changes.items())


def example(row: Record) -> dict[str, Any]:
    """Return a row of diff (schemas/diff.avsc), redacted as it is, for a message."""
    differences = [
        {
            "path": difference["path"],
            "production": _clipped(side_text(difference["production"])),
            "candidate": _clipped(side_text(difference["shadow"])),
        }
        for difference in row["differences"][:DIFFERENCES_MAX]
    ]
    reason = row["reason"]
    return {
        "pair": row["pair_id"],
        "key": _clipped(key_text(row)),
        "time_ms": row["time_ms"],
        "outcome": row["outcome"],
        "reason": None if reason is None else _clipped(reason),
        "differences": differences,
    }


def _clipped(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


def body(payload: Record, problem: str = "") -> str:
    """Return a message as lines of text, for channels that show text."""
    lines = [payload["text"]]
    lines += _examples(payload["examples"], problem)
    lines += ["", f"Look further: {payload['look']}"]
    if "differences" in payload:
        lines.append(f"Differences: {payload['differences']}")
    if "acknowledge" in payload:
        lines.append(f"Acknowledge: {payload['acknowledge']}")
    lines += ["", f"Statistics: {payload['details']}", *(f"Note: {note}" for note in payload.get("notes", ()))]
    return "\n".join([*lines, f"Trial {payload['trial']}, revision {payload['revision'][:12]}"])


def _examples(examples: Sequence[Record], problem: str) -> list[str]:
    if not examples:
        return ["", problem] if problem else []
    lines = ["", "Examples, production → candidate:"]
    for one in examples:
        parts = [f"{of['path'] or 'value'} {of['production']} → {of['candidate']}" for of in one["differences"]]
        shown = ", ".join(parts) or one["reason"] or one["outcome"]
        lines.append(f"- key {one['key']} ({one['pair']}): {shown}")
    return lines
