"""`diff`: show stored differences, the newest last; the last row of a pair is valid."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table

from shadowstream.cli.output import ConfigPath, Json, cell, console, put_json, say
from shadowstream.config import Config
from shadowstream.configfile import load, nearest
from shadowstream.errors import ConfigError
from shadowstream.kafka.reading.topic_reader import TopicRecord, read_topic, stream_topic
from shadowstream.kafka.refused_records import usable
from shadowstream.kafka.trial import bound_topics
from shadowstream.protocol.outcomes import BAD, Outcome
from shadowstream.report.words import key_text, side_text, time_text

READ_TIMEOUT_S = 30.0
DIFFERENCES_SHOWN = 4


def diff(
    config: ConfigPath,
    outcome: Annotated[str | None, typer.Option(help="only this outcome, for example mismatch or missing")] = None,
    limit: Annotated[int, typer.Option(min=0, help="only the newest so many rows; 0 for all")] = 20,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="go on with rows as they come")] = False,
    as_json: Json = False,
) -> None:
    """Show differences between production and the candidate: a table, or a JSON object a line."""
    if outcome is not None and outcome not in tuple(Outcome):
        raise ConfigError(f"--outcome {outcome!r} is not an outcome; {nearest(outcome, tuple(Outcome))}")
    trial = load(config)
    bound_topics.refuse_other_topics(trial, bound_topics.read_starts(trial, READ_TIMEOUT_S))
    if follow:
        _follow(trial, outcome, limit, as_json)
        return
    topic = trial.plan.of("diff")
    last = {row.key: row for row in read_topic(trial.kafka, topic, READ_TIMEOUT_S)}
    rows = sorted(_decoded(last.values(), topic, outcome), key=lambda row: (row["time_ms"], row["pair_id"]))
    shown = rows[-limit:] if limit else rows
    if as_json:
        for row in shown:
            put_json(row)
    elif shown:
        console().print(_table(shown))
    say(f"{len(shown)} of {len(rows)} rows{f' with outcome {outcome}' if outcome else ''} in {trial.plan.of('diff')!r}")


def _follow(trial: Config, outcome: str | None, limit: int, as_json: bool) -> None:
    """Print rows as they arrive, the stored ones first, until `limit` rows or Ctrl-C."""
    say(f"rows of {trial.plan.of('diff')!r} as they come{f', {limit} at most' if limit else ''}; Ctrl-C ends")
    topic = trial.plan.of("diff")
    rows = _decoded(stream_topic(trial.kafka, topic, READ_TIMEOUT_S, follow=True), topic, outcome)
    for row in islice(rows, limit or None):
        if as_json:
            put_json(row)
        else:
            words = [time_text(row["time_ms"]), row["outcome"], row["pair_id"], key_text(row), *_differences(row)]
            console().print(cell(" ".join(words)))


def _decoded(rows: Iterable[TopicRecord], topic: str, outcome: str | None) -> Iterator[dict[str, Any]]:
    for row in usable(rows, topic, "diff"):
        if outcome is None or row.record["outcome"] == outcome:
            yield row.record


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("time (UTC)", "outcome", "pair", "key"):
        table.add_column(title, overflow="fold")
    table.add_column("difference: production → candidate", overflow="fold", ratio=1)
    for row in rows:
        lines = _differences(row)
        if len(lines) > DIFFERENCES_SHOWN:
            lines[DIFFERENCES_SHOWN:] = [f"and {len(lines) - DIFFERENCES_SHOWN} more"]
        corrected = f" (was {row['correction_of']})" if row["correction_of"] else ""
        outcome = cell(f"{row['outcome']}{' late' if row['late'] else ''}{corrected}", "red" * (row["outcome"] in BAD))
        time, differences = cell(time_text(row["time_ms"])), cell("\n".join(lines))
        table.add_row(time, outcome, cell(row["pair_id"]), cell(key_text(row)), differences)
    return table


def _differences(row: dict[str, Any]) -> list[str]:
    lines = []
    for difference in row["differences"]:
        sides = f"{side_text(difference['production'])} → {side_text(difference['shadow'])}"
        lines.append(f"{difference['path'] or '(whole value)'}: {sides}")
    return [*([row["reason"]] if row["reason"] else []), *lines]
