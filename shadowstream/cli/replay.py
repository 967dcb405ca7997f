"""`replay`: judges the stored records by the criteria of this config. Nothing is written or committed."""

from typing import Annotated, Any

import typer

from shadowstream.cli.answer import Answer
from shadowstream.cli.durations import time_ms_of
from shadowstream.cli.explain import explained, lines
from shadowstream.cli.output import ConfigPath, Json, put, put_json, say
from shadowstream.configfile import load
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.refused_records import Refusals
from shadowstream.kafka.replay.rejoin import compared_again
from shadowstream.kafka.replay.stored_stats import judged, stored, within


def replay(
    config: ConfigPath,
    revision: Annotated[
        str | None,
        typer.Option(help="whose statistics to judge, or the first digits; default: the local one's, else the last"),
    ] = None,
    from_topics: Annotated[
        bool, typer.Option("--from-topics", help="compare again, by this config's rules, from the source topics")
    ] = False,
    begin: Annotated[str | None, typer.Option("--from", help="first event time, ISO 8601, UTC by default")] = None,
    end: Annotated[str | None, typer.Option("--to", help="event time before which it ends")] = None,
    as_json: Json = False,
) -> None:
    """Judge the stored statistics by this config's criteria: would the verdict differ? Exit code 0.

    With --from-topics also its rules of comparison. With those of the live trial the evidence digest is that of the
    live verdict. Windows count that begin in the range. Nothing is written or committed.
    """
    span = time_ms_of("--from", begin), time_ms_of("--to", end)
    trial = load(config).acting_as("reader")
    refusals = Refusals()
    records, chosen, _ = stored(trial, revision, refusals)
    if from_topics:
        records = compared_again(trial, chosen, records)
    verdict = judged(trial, list(within(records, *span)), chosen, refusals).verdict(now_ms())
    _print(verdict, config, as_json)


def _print(verdict: dict[str, Any], config: str, as_json: bool) -> None:
    if as_json:
        put_json(verdict)
        return
    answer = Answer(verdict["decision"], verdict["reasons"], verdict["revision"], verdict)
    for line in lines(explained(answer), verdict):
        put(line.replace("CONFIG", config))
    put(f"evidence {verdict['evidence_digest']}")
    say(f"replayed revision {verdict['revision']}; nothing was written")
