"""`replay`: what is stored, judged by the criteria of this config. Nothing is written or committed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from shadowstream.cli.answer import Answer
from shadowstream.cli.explain import explained, lines
from shadowstream.cli.output import ConfigPath, Json, put, put_json, say
from shadowstream.configfile import load
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.replaying import judged, revision_in, statistics
from shadowstream.revision import revision_of


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(replay)


def replay(
    config: ConfigPath,
    revision: Annotated[
        str | None,
        typer.Option(help="whose statistics to judge, or the first digits; default: the local one's, else the last"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge the stored statistics by this config's criteria: what would they have said? Exit code 0.

    With the criteria of the live judge the evidence digest is that of the live verdict.
    """
    trial = load(config)
    records = statistics(trial)
    chosen = revision_in(records, revision, revision_of(trial))
    verdict = judged(trial, records, chosen).evaluate(now_ms()).verdict
    _print(verdict, config, as_json)


def _print(verdict: dict[str, Any], config: str, as_json: bool) -> None:
    if as_json:
        put_json(verdict)
        return
    answer = Answer(verdict["decision"], verdict["reasons"], verdict["revision"], verdict)
    for line in lines(explained(answer), verdict):
        put(line.replace("CONFIG", config))
    put(f"evidence {verdict['evidence_digest']}")
    say(f"replayed the statistics of revision {verdict['revision']}; nothing was written")
