"""Plausibility checks of records in shadowstream's own topics. A role rejects a record that no shadowstream process
writes, before it acts on it.

These topics are kept forever, and anyone with the rights of the prefix can write into them. One unusable record must
not stop a role, now or after a restart. So the reader (`own.read`) rejects it with a `RecordError` of reason
``refused``. Its message has no numbers, so that equal causes are grouped.

The bounds are far beyond the values of a real trial, whose commits cover minutes at most. They are narrow enough
that sums stay within 64 bits and loops over them end.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shadowstream.errors import RecordError
from shadowstream.records import KEY_BUCKETS, SUB_WINDOWS

COUNT_MAX = 2**40
"""Maximum units in one entry of one record."""
SUM_MAX = 2**62
"""Maximum of one of the sums of a mean, in fixed point, and of the units of all records together
(`judge.windows.event_windows`)."""
OFFSET_MAX = 2**53
"""Maximum of offsets and cumulative counts."""
SEQUENCE_MAX = 2**40
"""Maximum number of commits of one task: one a millisecond for 34 years."""
TIME_MS_MAX = 2**62
"""Maximum magnitude of event times, also below zero: a producer may write any, and a window's end is beyond its
begin."""
ABSENT_MAX = 2**31
"""Maximum inputs without output of one transaction."""
TEXT_CHARS_MAX = 10_000
"""Maximum characters of a text that a person gives to a command."""
_BUCKETED = ("buckets", "outcome_buckets")
DIGITS_MAX = 9
"""Maximum digits of a partition number."""
MARKS = frozenset(
    ("begin", "start", "range", "done", "end", "warm", "tried", "said", "moved", "confined", "until", "recheck")
)
RECHECKS = frozenset(("ask", "complete"))

Record = Mapping[str, Any]


def check(name: str, record: Record) -> None:
    """Raise `RecordError` (``refused``) for an implausible decoded record of schema `name`.

    >>> check("mark", {"kind": "nonsense"})
    Traceback (most recent call last):
    ...
    shadowstream.errors.RecordError: mark: its kind is unknown; is a newer release writing?
    """
    rule = _RULES.get(name)
    why = rule(record) if rule is not None else None
    if why is not None:
        raise RecordError(f"{name}: {why}", reason="refused")


def units(record: Record) -> int:
    """All units that a stats record counts, without their signs. No total over many records exceeds the sum of
    these."""
    return sum(abs(n) for window in record["windows"] for n in _counts(window))


def _within(numbers: Iterable[int | None], low: int, high: int) -> bool:
    return all(number is None or low <= number <= high for number in numbers)


def _mark(record: Record) -> str | None:
    if record["kind"] not in MARKS:
        return "its kind is unknown; is a newer release writing?"
    begins = record["begins"]
    offsets = [record["from_offset"], record["to_offset"], *(end["offset"] for end in record["ends"])]
    offsets += [begin[name] for begin in begins for name in ("committed", "end", "bound")]
    if not _within(offsets, -OFFSET_MAX, OFFSET_MAX):
        return "an offset is beyond all that a topic can hold"
    if not _within(_of_counters(record["counters"]), 0, OFFSET_MAX):
        return "a counter is below zero or beyond all that a topic can hold"
    if not _within([record["tries"]], 0, COUNT_MAX):
        return "more tries than can have been"
    if not _within([run["why"] for run in record["absences"]], -1, len(record["texts"]) - 1):
        return "a reason that it does not hold"
    if record["kind"] == "recheck" and record["recheck"] is None:
        return "a second answer that it does not hold"
    return _range(record) if record["kind"] == "range" else None


def _recheck(record: Record) -> str | None:
    if record["kind"] not in RECHECKS:
        return "its kind is unknown; is a newer release writing?"
    if not _within([record["input_offset"], record["input_partition"], record["k"]], -1, OFFSET_MAX):
        return "an input or an output that there is not"
    return None


def _of_counters(counters: Record | None) -> list[int]:
    if counters is None:
        return []
    plain = [counters[name] for name in ("read", "with_output", "silent")]
    return [*plain, *counters["absent"].values(), *counters["written"].values()]


def _range(record: Record) -> str | None:
    if record["counters"] is None:
        return "a range without counters"
    counts = [n for window in record["windows"] for n in (window["read"], window["failed"])]
    costs = [window["cost"] for window in record["windows"] if window["cost"]]
    counts += [n for cost in costs for n in (cost["measured"], cost["over"])]
    if not _within(counts, 0, COUNT_MAX):
        return "a window of more inputs than a transaction can hold"
    if not _within([window["start_ms"] for window in record["windows"]], -TIME_MS_MAX, TIME_MS_MAX):
        return "a time is beyond all calendars"
    for run in record["absences"]:
        if not (run["count"] >= 1 and 0 <= run["offset"] <= OFFSET_MAX):
            return "inputs without output of which there are none, or at no offset"
        if len(run["ids"]) not in (0, run["count"]):
            return "inputs without output of which some are named and some are not"
    if sum(run["count"] for run in record["absences"]) > ABSENT_MAX:
        return "more inputs without output than a transaction can hold"
    return None


def _counts(window: Record) -> list[int]:
    counts = [*window["outcomes"].values(), *window["fields"].values(), *window.get("checks", {}).values()]
    counts += window.get("evictions", {}).values()
    for cell in (*window.get("slices", ()), *window.get("buckets", ())):
        counts += [cell["n"], cell["s"]]
    counts += [entry["n"] for name in ("outcome_buckets", "quality") for entry in window.get(name, ())]
    counts += [entry[side] for entry in window.get("distributions", ()) for side in ("production", "shadow", "same")]
    counts += [n for one in window.get("sub_windows", ()) for n in one["outcomes"].values()]
    means = window.get("means", ())
    return counts + [one["n"] for mean in means for one in (mean, *mean.get("buckets", ()))]


def _stats(record: Record) -> str | None:
    if not 1 <= record["seq"] <= SEQUENCE_MAX:
        return "its sequence number is beyond all commits that a task can make"
    lines = [line[name] for line in record["ledgers"] for name in ("expected", "counted")]
    offsets = [source[name] for source in record["sources"] for name in ("from_offset", "to_offset")]
    cumulative = [*lines, *offsets, record["pending"], record["refused_marks"]]
    if not _within(cumulative, -OFFSET_MAX, OFFSET_MAX):
        return "a ledger, an offset or what is pending is beyond all that a topic can hold"
    if not _within([window["start_ms"] for window in record["windows"]], -TIME_MS_MAX, TIME_MS_MAX):
        return "a time is beyond all calendars"
    for window in record["windows"]:
        if why := _window(window):
            return why
    return None


def _window(window: Record) -> str | None:
    if not _within(_counts(window), -COUNT_MAX, COUNT_MAX):
        return "a count is beyond all that a commit can hold"
    if any(len(cell["values"]) != len(cell["dimensions"]) or not cell["values"] for cell in window["slices"]):
        return "a slice that has not one value for each of its dimensions"
    of_means = [one for mean in window["means"] for one in mean.get("buckets", ())]
    bucketed = [*of_means, *(one for name in _BUCKETED for one in window.get(name, ()))]
    if not _within([one["bucket"] for one in bucketed], 0, KEY_BUCKETS - 1):
        return "a bucket of keys that there is not"
    if not _within([one["number"] for one in window.get("sub_windows", ())], 0, SUB_WINDOWS - 1):
        return "a sub-window that there is not"
    if not all(0 <= one["positives"] <= one["n"] and one["total"] >= 0 for one in window.get("quality", ())):
        return "labelled pairs with more true labels than pairs, or a sum below zero"
    totals = [one["total"] for one in (*of_means, *window.get("quality", ()))]
    if not _within([*totals, *(total for mean in window["means"] for total in mean["sums"])], -SUM_MAX, SUM_MAX):
        return "the sums of a mean are beyond all that a commit can hold"
    return None


def _command(record: Record) -> str | None:
    texts = ("command", "subject", "by", "reason", "decision", "group")
    if any(len(record.get(name, "")) > TEXT_CHARS_MAX for name in texts):
        return "a text is longer than a person writes"
    if not _within([one["offset"] for one in record.get("offsets", ())], 0, OFFSET_MAX):
        return "an offset that no partition has"
    if not _within([record["at_ms"], record["until_ms"]], -TIME_MS_MAX, TIME_MS_MAX):
        return "a time is beyond all calendars"
    share = record.get("share")
    return None if share is None or 0.0 < share <= 1.0 else "a share that is not above 0 and at most 1"


def _scored(record: Record) -> str | None:
    if not _within([record.get("bucket", -1)], -1, KEY_BUCKETS - 1):
        return "a bucket of keys that there is not"
    partition = record["task"].rpartition("/")[2]
    return None if partition.isdecimal() and len(partition) <= DIGITS_MAX else "its task is no topic and partition"


def _label_state(record: Record) -> str | None:
    lacks = record["kind"] == "task" and not {"seq", "read", "ended"} <= record["counts"].keys()
    return "a task without its counts" if lacks else None


_RULES: dict[str, Callable[[Record], str | None]] = {
    "mark": _mark,
    "stats": _stats,
    "command": _command,
    "scored": _scored,
    "label_state": _label_state,
    "recheck": _recheck,
}
