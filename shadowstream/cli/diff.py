"""`diff`: show stored differences, the newest last; the last row of a pair is valid."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shadowstream.cli.durations import time_ms_of
from shadowstream.cli.output import ConfigPath, Json, cell, console, new_table, put_json, put_rows, say
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.configfile import load, nearest
from shadowstream.errors import ConfigError
from shadowstream.kafka.reading.last_rows import LastRows
from shadowstream.kafka.reading.topic_reader import stream_topic
from shadowstream.kafka.refused_records import OwnRecord, usable
from shadowstream.kafka.trial import bound_topics
from shadowstream.protocol.outcomes import BAD, Outcome
from shadowstream.protocol.size_limits import OTHER
from shadowstream.status.differing_rows import Tally, in_slice, slice_text
from shadowstream.status.words import key_text, path_text, side_text, time_text, typical_text

if TYPE_CHECKING:
    from rich.text import Text

READ_TIMEOUT_S = 30.0
DIFFERENCES_SHOWN = 4
COUNTS_SHOWN = 20
TITLES = ("time (UTC)", "outcome", "pair", "key", "slice", "difference: production → candidate")
SLICE_AT = TITLES.index("slice")
TABLE_ROWS = 1_000
"""Rows of one table, whose columns fit their texts."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filter of rows; None takes all. `field`: a path, and what is below it. `since_ms`: the earliest event time.
    `slices`: each of them must hold the row.

    `key_hash`: the hash of the whole key `key`, where rows have hashes in place of keys.
    """

    outcome: str | None = None
    revision: str | None = None
    field: str | None = None
    key: str | None = None
    since_ms: int | None = None
    key_hash: bytes | None = None
    slices: tuple[str, ...] = ()

    def takes(self, row: Mapping[str, Any]) -> bool:
        paths = (difference["path"] for difference in row["differences"])
        return (
            self.outcome in (None, row["outcome"])
            and (self.revision is None or row["revision"].startswith(self.revision))
            and (self.field is None or any(path == self.field or path.startswith(self._below) for path in paths))
            and (self.key is None or self.key in key_text(row) or row["key"] == self.key_hash is not None)
            and all(in_slice(text, row["dimensions"]) for text in self.slices)
            and (self.since_ms is None or row["time_ms"] >= self.since_ms)
        )

    @property
    def _below(self) -> tuple[str, str]:
        return f"{self.field}.", f"{self.field}["


def diff(
    config: ConfigPath,
    outcome: Annotated[str | None, typer.Option(help="only this outcome, for example mismatch or missing")] = None,
    revision: Annotated[str | None, typer.Option(help="only this revision, or its first digits")] = None,
    field: Annotated[str | None, typer.Option(help="only rows that differ at this path or below it")] = None,
    key: Annotated[str | None, typer.Option(help="only rows whose key contains this text, or has its hash")] = None,
    since: Annotated[
        str | None, typer.Option(help="only rows from this event time on: ISO 8601, UTC by default")
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            metavar="NAME=VALUE",
            help="only rows with this value of a dimension, as the verdict names it; repeat it for further dimensions",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="only the newest so many rows; 0 for all")] = 20,
    summary: Annotated[
        bool, typer.Option("--summary", help="counts by outcome, field and reason, and no rows")
    ] = False,
    show: Annotated[str | None, typer.Option(metavar="PAIR", help="one pair: both whole values and the input")] = None,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="continue with rows as they come")] = False,
    as_json: Json = False,
) -> None:
    """Show differences between production and the candidate: a table, or a JSON object a line."""
    if outcome is not None and outcome not in tuple(Outcome):
        raise ConfigError(f"--outcome {outcome!r} is not an outcome; {nearest(outcome, tuple(Outcome))}")
    trial = load(config).acting_as("reader")
    chosen = tuple(_known_slice(trial, text) for text in slices or ())
    wanted = Wanted(outcome, revision, field, key, time_ms_of("--since", since), hash_of(trial, key), chosen)
    bound_topics.refuse_other_topics(trial, bound_topics.read_starts(trial, READ_TIMEOUT_S))
    if follow:
        _follow(trial, wanted, limit, as_json)
        return
    if show is not None:
        _show(trial, show, as_json=as_json)
        return
    with closing(LastRows()) as last:
        for row in _rows_of(trial):
            if wanted.takes(row.record):
                last.put(row.record["pair_id"], row.record["time_ms"], own.encode("diff", row.record))
            else:  # it replaces an earlier row that was taken
                last.drop(row.record["pair_id"])
        if summary:
            _print_summary(last, as_json=as_json)
            shown = "counts"
        else:
            shown = f"{_print_rows(last, limit, as_json=as_json):,}"
        filtered = f" with outcome {outcome}" if outcome else " of this choice" if wanted != Wanted() else ""
        say(f"{shown} of {len(last):,} rows{filtered} in {trial.plan.of('diff')!r}")


def _known_slice(trial: Config, text: str) -> str:
    """Return a slice. Raises `ConfigError` if it begins with no dimension of the trial."""
    names = [one.name for one in trial.compare.dimensions]
    if any(text.startswith(f"{name}=") for name in names):
        if f"={OTHER}" in text:
            raise ConfigError(f"--slice {text!r}: rows hold the exact value, never {OTHER}; name a value")
        return text
    name, equals, _ = text.partition("=")
    if not names:
        raise ConfigError(f"--slice {text!r}: the config declares no dimensions (compare.dimensions)")
    if name in names and not equals:
        raise ConfigError(f"--slice {text!r}: give a value too, as {name}=VALUE")
    raise ConfigError(f"--slice {text!r}: {name!r} is no dimension of the config; those are {', '.join(names)}")


def hash_of(trial: Config, key: str | None) -> bytes | None:
    """Return the hash that stands for a key in this trial's rows; None where they show it."""
    if key is None or not trial.compare.hides_keys:
        return None
    from shadowstream.compare.redact import Redactor  # a local import: it loads what compares
    from shadowstream.joiner.intake.equivalent_ids import spelling_of
    from shadowstream.kafka.trial.hash_key import keyed_for_reading

    return Redactor.of(keyed_for_reading(trial), spelling_of(trial)).key(key.encode())


def _rows_of(trial: Config, *, follow: bool = False) -> Iterator[OwnRecord]:
    topic = trial.plan.of("diff")
    return usable(stream_topic(trial.kafka, topic, READ_TIMEOUT_S, follow=follow), topic, "diff")


def _print_rows(last: LastRows, limit: int, *, as_json: bool) -> int:
    """Print the newest rows and return their number; as a table, a part of it at a time."""
    rows, shown = (own.read("diff", raw) for raw in last.newest(limit)), 0
    while part := [*islice(rows, TABLE_ROWS)]:
        shown += len(part)
        if as_json:
            for row in part:
                put_json(row)
        else:
            put_rows(TITLES, [_cells(row) for row in part], id_at=2, if_room=SLICE_AT)
    return shown


def _show(trial: Config, pair: str, *, as_json: bool) -> None:
    topic, found = trial.plan.of("diff"), None
    for row in _rows_of(trial):
        found = row.record if row.record["pair_id"] == pair else found
    if found is None:
        raise ConfigError(
            f"--show {pair!r}: no row of {topic!r} has this pair id. `diff` shows the ids in its column pair; of plain "
            "matches only a sample has rows (compare.match_sample)"
        )
    from shadowstream.cli.pair import show_pair  # a local import: it loads what decodes and compares
    from shadowstream.kafka.trial.hash_key import keyed_for_reading

    show_pair(keyed_for_reading(trial), found, as_json=as_json)


def _follow(trial: Config, wanted: Wanted, limit: int, as_json: bool) -> None:
    """Print rows as they arrive, the stored ones first, until `limit` rows or Ctrl-C."""
    say(f"rows of {trial.plan.of('diff')!r} as they come{f', {limit} at most' if limit else ''}; Ctrl-C ends")
    rows = (row.record for row in _rows_of(trial, follow=True) if wanted.takes(row.record))
    for row in islice(rows, limit or None):
        if as_json:
            put_json(row)
        else:
            words = [time_text(row["time_ms"]), row["outcome"], row["pair_id"], key_text(row), *_differences(row)]
            console().print(cell(" ".join(words)))


def _print_summary(last: LastRows, *, as_json: bool) -> None:
    tally = Tally()
    for raw in last.newest(0):
        tally.add(own.read("diff", raw))
    found = tally.summary()
    if as_json:
        put_json({**asdict(found), "deltas": {path: one._asdict() for path, one in found.deltas.items()}})
        return
    for title, counts in (("outcome", found.outcomes), ("field that differs", found.fields), ("reason", found.reasons)):
        if not counts:
            continue
        table = new_table()
        table.add_column("rows", justify="right")
        table.add_column(title, overflow="fold")
        for name, n in islice(counts.items(), COUNTS_SHOWN):
            delta = found.deltas.get(name) if title == "field that differs" else None
            typical = "" if delta is None else f": typically {typical_text(delta.median, delta.low, delta.high)}"
            table.add_row(cell(f"{n:,}"), cell(f"{path_text(name)}{typical}"))
        if len(counts) > COUNTS_SHOWN:
            table.add_row(cell(""), cell(f"and {len(counts) - COUNTS_SHOWN} more"))
        console().print(table)


def _cells(row: dict[str, Any]) -> list["Text"]:
    lines = _differences(row)
    if len(lines) > DIFFERENCES_SHOWN:
        lines[DIFFERENCES_SHOWN:] = [f"and {len(lines) - DIFFERENCES_SHOWN} more"]
    corrected = f" (was {row['correction_of']})" if row["correction_of"] else ""
    outcome = cell(f"{row['outcome']}{' late' if row['late'] else ''}{corrected}", "red" * (row["outcome"] in BAD))
    texts = row["pair_id"], key_text(row), slice_text(row["dimensions"]), "\n".join(lines)
    return [cell(time_text(row["time_ms"])), outcome, *map(cell, texts)]


def _differences(row: dict[str, Any]) -> list[str]:
    lines = []
    for difference in row["differences"]:
        sides = f"{side_text(difference['production'])} → {side_text(difference['shadow'])}"
        lines.append(f"{path_text(difference['path'])}: {sides}")
    return [*([row["reason"]] if row["reason"] else []), *lines]
