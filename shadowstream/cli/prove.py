"""`prove`: the sensitivity of a trial's config, by differences planted in copies of its own pairs."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from shadowstream.cli.output import ConfigPath, Json, put_json, put_wrapped, say
from shadowstream.cli.written_file import refuse_unwritable, unwritable
from shadowstream.compare.comparer import comparer_of
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.verdict.verdict import criteria_hash
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.refused_records import Refusals
from shadowstream.kafka.replay.sampled_pairs import RECORDS_MAX, range_of, sampled
from shadowstream.kafka.replay.stored_stats import stored
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.trial import hash_key
from shadowstream.sensitivity.agreeing_pairs import AgreeingPairs, agreeing_pairs
from shadowstream.sensitivity.plants import Plant
from shadowstream.sensitivity.proof import Asked, Finding, Proof, as_data
from shadowstream.sensitivity.words import statement

PAIRS_MAX = 50_000
RUNS_MAX = 1_000


def prove(
    config: ConfigPath,
    revision: Annotated[
        str | None,
        typer.Option(help="whose pairs to copy, or its first digits; default: the local one's, else the last"),
    ] = None,
    pairs: Annotated[int, typer.Option(min=100, max=PAIRS_MAX, help="newest pairs to copy, at least")] = 2_000,
    share: Annotated[
        list[float] | None,
        typer.Option(
            min=0,
            max=1,
            help="share of the records that differ, again for another; default: 2, 5 and 20 times the smallest limit",
        ),
    ] = None,
    size: Annotated[
        list[float] | None,
        typer.Option(help="shift of a number as a share of its spread, again for another; default: 0.01 and 1"),
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="plant in this field only, again for another; default: the first 20")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, max=RUNS_MAX, help="runs of each difference and share")] = 20,
    records: Annotated[int, typer.Option(min=100, help="records after which a run ends undecided")] = 20_000,
    out: Annotated[str | None, typer.Option(help="file for the result as JSON; `explain --proof` reads it")] = None,
    as_json: Json = False,
) -> None:
    """Plant differences in copies of real pairs: which does the gate find, and after how many records?

    It reads topics only: nothing is written to Kafka or committed. Exit code 0 whatever it finds.
    """
    if not all(map(math.isfinite, size or ())):
        raise ConfigError("--size: give finite numbers, for example 0.01")
    trial = load(config).acting_as("reader")
    if out is not None:
        refuse_unwritable("--out", Path(out))  # before minutes of work
    records_read, chosen, _ = stored(trial, revision, Refusals())
    from_ms, to_ms = range_of(records_read, chosen, pairs, trial.judge.window_ms)
    trial = hash_key.keyed(trial, admin(trial.kafka))
    compare = comparer_of(schema_source(trial.schemas), trial, HookProcess(trial).load)
    asked = Asked(tuple(share or ()), tuple(size or (0.01, 1.0)), tuple(field or ()), runs, records)
    findings: list[Finding] = []
    for topic in trial.production.outputs:
        found = sampled(trial, topic, from_ms, to_ms)
        agreeing = agreeing_pairs(trial, chosen, topic, found.sides, compare)
        say(_sample(agreeing, from_ms, to_ms))
        if found.cut:
            say(f"{topic}: only {RECORDS_MAX:,} records of a side were read; give fewer --pairs for a whole range")
        if not len(agreeing):
            raise ConfigError(
                f"{topic}: no pair of the sample agrees, so a planted difference would not show. Check "
                "`diff --summary`, or give more --pairs"
            )
        findings += _findings(Proof(trial, chosen, agreeing, compare, asked), topic)
    result = _result(trial, chosen, findings)
    if out is not None:
        try:
            Path(out).write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
        except OSError as error:
            raise unwritable("--out", Path(out), error) from error
        say(f"written to {out}; `shadowstream explain {config} --proof {out}` shows it beside the verdict")
    if as_json:
        put_json(result)
        return
    for line in result["statement"]:
        put_wrapped(line)


def _findings(proof: Proof, topic: str) -> Iterator[Finding]:
    if proof.unknown:
        raise ConfigError(f"--field: the pairs of {topic} have no field {', '.join(proof.unknown)}")
    if proof.left_out:
        say(f"{topic}: {len(proof.left_out)} more fields are left out, {proof.left_out[0]} first; name them by --field")

    def progress(plant: Plant) -> None:
        say(f"planting: {plant.words}")

    return proof.findings(progress)


def _sample(pairs: AgreeingPairs, from_ms: int, to_ms: int) -> str:
    left = [
        f"{pairs.differing:,} pairs that differ already" if pairs.differing else "",
        f"{pairs.unmatched:,} records without a partner in the range" if pairs.unmatched else "",
    ]
    out = " and ".join(part for part in left if part)
    return (
        f"{pairs.topic}: {len(pairs):,} pairs that agree, {utc_text(from_ms)} to {utc_text(to_ms)}"
        f"{f'; left out: {out}' if out else ''}"
    )


def _result(trial: Config, revision: str, findings: list[Finding]) -> dict[str, Any]:
    return {
        "name": trial.name,
        "revision": revision,
        "criteria_hash": criteria_hash(trial),
        "statement": statement(findings),
        "findings": [as_data(one) for one in findings],
    }
