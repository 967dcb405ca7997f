"""Examples of differences for an alert, and the typical change of numbers, from the newest rows of the topic diff.

The rows are redacted when they are written, so nothing here can undo it.
"""

from collections.abc import Collection
from statistics import median
from typing import Any, NamedTuple

from shadowstream.alerts.wording import example
from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.reading.bounded import read_range
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.protocol.outcomes import Outcome
from shadowstream.status.differing_rows import in_slice

ROWS_MAX = 4_000
"""Newest offsets of diff that are read, over all partitions."""
QUIET_S = 5.0
FIELDS_MAX = 3
NUMBERS_MIN = 3
"""Least pairs from which a typical change is taken."""


class Evidence(NamedTuple):
    """Examples, newest first, and the median change of fields by path."""

    examples: list[dict[str, Any]]
    typical: dict[str, float]


def evidence_of(
    config: Config, revision: str, outcomes: Collection[Outcome], since_ms: int, named: str | None = None
) -> Evidence:
    """Return the evidence among the newest rows of a revision since an event time, of the slice `named` if it has any.

    Raises `BrokerError`.
    """
    topic, client = config.plan.of("diff"), admin(config.kafka)
    count = offsets.existing(client).get(topic, 0)
    places = offsets.places({topic: count})
    lows, ends = offsets.beginnings(client, places), offsets.stable_ends(client, places)
    spans = {place: (max(lows[place], end - ROWS_MAX // count), end) for place, end in ends.items()}
    refusals, rows = Refusals(), dict[bytes | None, dict[str, Any]]()
    for message in read_range(config, "alerts.examples", spans, QUIET_S):
        record = own_record("diff", message, refusals) if message.value() is not None else None
        if record is not None:
            rows[message.key()] = record
    found = [
        row
        for row in rows.values()
        if row["revision"] == revision and row["outcome"] in outcomes and row["time_ms"] >= since_ms
    ]
    return chosen(of_slice(found, named), config.alerts.examples)


def of_slice(rows: list[dict[str, Any]], named: str | None) -> list[dict[str, Any]]:
    """Return the rows of a slice; all rows if none names it, as those of an older joiner."""
    return [row for row in rows if named is not None and in_slice(named, row["dimensions"])] or rows


def chosen(rows: list[dict[str, Any]], limit: int) -> Evidence:
    """Return the newest rows up to a limit, one a key, and the typical changes of all rows."""
    newest: dict[Any, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda one: (-one["time_ms"], one["pair_id"])):
        if len(newest) < limit:
            newest.setdefault(row["key"] or row["pair_id"], row)
    changes: dict[str, list[float]] = {}
    for row in rows:
        for difference in row["differences"]:
            if difference["delta"] is not None:
                changes.setdefault(difference["path"], []).append(difference["delta"])
    common = sorted(
        (path for path in changes if len(changes[path]) >= NUMBERS_MIN), key=lambda path: -len(changes[path])
    )
    typical = {path: median(changes[path]) for path in common[:FIELDS_MAX]}
    return Evidence([example(row) for row in newest.values()], typical)
