"""`plan`: the load, the disk, the memory and the hours of a trial, before anything starts."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from shadowstream.cli.output import ConfigPath, Json, put, put_json
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial.load_sample import sample
from shadowstream.kafka.trial.topic_admin import planned
from shadowstream.status.expected_load import (
    DAY_S,
    HOUR_S,
    Load,
    Source,
    Wait,
    expected_load,
    hours_until_shown,
    kept_bytes,
    memory_bytes,
    waits,
)

WIDTH = 80


def register(app: typer.Typer) -> None:
    app.command()(plan)


def plan(
    config: ConfigPath,
    differing: Annotated[
        float, typer.Option(min=0, max=1, help="share of the pairs that is expected to differ, for the rows of diff")
    ] = 0.01,
    as_json: Json = False,
) -> None:
    """Show what a trial will take, from a sample of its topics: load, disk, memory, and hours until it can decide.

    Writes nothing and starts nothing. Bytes are of one copy, not compressed; rates are by event time. The hours hold if
    nothing is bad: a candidate with bad records takes longer.
    """
    trial = load(config).acting_as("runner")
    sources, sampled = sample(admin(trial.kafka), trial)
    if not any(one.records_per_s for one in sources):
        raise ConfigError("the sampled topics hold too few records to tell a rate; plan again once production writes")
    expected = expected_load(trial, sources, differing)
    criteria = waits(trial, sources)
    hours = hours_until_shown(trial, criteria)
    facts = _facts(trial, sources, sampled, expected, criteria, hours)
    if as_json:
        put_json(facts)
        return
    for line in lines(facts):
        put(line)


def _facts(
    trial: Config, sources: list[Source], sampled: int, expected: Load, criteria: list[Wait], hours: float | None
) -> dict[str, Any]:
    waiting = sum(one.waiting for one in sources)
    speed = sum(one.records_per_s for one in sources)
    if trial.bounded:
        end_s = waiting / speed
    elif isinstance(trial.until, int):
        end_s = trial.until / max(1e-9, sum(one.records_per_s for one in sources if one.side == "input"))
    elif isinstance(trial.until, datetime):
        end_s = max(0.0, (trial.until - datetime.now(UTC)).total_seconds())
    else:
        end_s = (hours or 0) * HOUR_S
    specs = planned(trial, {one.topic: one.partitions for one in sources})
    day, end = (kept_bytes(expected, specs, trial.plan.prefix, seconds) for seconds in (DAY_S, end_s))
    return {
        "trial": trial.name,
        "sampled": sampled,
        "topics": [
            {
                "topic": one.topic,
                "side": one.side,
                "partitions": one.partitions,
                "records_per_s": round(one.records_per_s, 3),
                "bytes_per_s": round(one.bytes_per_s),
                "waiting": one.waiting,
            }
            for one in sources
        ],
        "read_records_per_s": round(expected.read_records, 3),
        "read_bytes_per_s": round(expected.read_bytes),
        "written_bytes_per_s": round(expected.written_bytes),
        "disk_day_bytes": sum(day.values()),
        "disk_end_bytes": sum(end.values()),
        "disk_day": day,
        "hours": hours,
        "criteria": [
            {"criterion": one.criterion, "needed": one.needed, "units": one.units, "hours": one.hours}
            for one in criteria
        ],
        "memory": {
            role: {"expected": round(expected), "at_most": round(bound)}
            for role, (expected, bound) in memory_bytes(trial, sources).items()
        },
    }


def lines(facts: dict[str, Any]) -> list[str]:
    """Return the plan as lines of at most `WIDTH` characters, longer names of topics are cut."""
    printed = [f"plan of trial {facts['trial']}, from {facts['sampled']:,} sampled records", ""]
    for one in facts["topics"]:
        waiting = f", {one['waiting']:,} wait" if one["waiting"] else ""
        rates = f"{one['records_per_s']:,.1f} records/s, {size(one['bytes_per_s'])}/s{waiting}"
        printed.append(f"{one['side']:<11}{_cut(one['topic'], 22):<23}{rates}")
    printed += [
        "",
        f"{'reads':<11}{size(facts['read_bytes_per_s'])}/s from the brokers, all roles together",
        f"{'writes':<11}{size(facts['written_bytes_per_s'])}/s, one copy, not compressed",
        f"{'disk':<11}{size(facts['disk_day_bytes'])} after a day, {size(facts['disk_end_bytes'])} at the end",
    ]
    largest = sorted(facts["disk_day"].items(), key=lambda item: -item[1])[:3]
    printed += [f"{'':<11}{_cut(kind, 22):<23}{size(of)} a day" for kind, of in largest]
    printed.append("")
    for one in facts["criteria"]:
        needs = "no number is enough" if one["needed"] is None else f"{one['needed']:,} {one['units']}"
        hours = "not known from a sample" if one["hours"] is None else f"{one['hours']:,.1f} h"
        printed.append(f"{_cut(one['criterion'], 22):<23}{_cut(needs, 34):<35}{hours}")
    hours = facts["hours"]
    when = "not known: a criterion needs more than a sample" if hours is None else f"{hours:,.1f} h at the earliest"
    printed += [f"{'shown':<11}{when}", ""]
    printed += [
        f"{'memory':<11}{role:<11}{size(one['expected'])}, at most {size(one['at_most'])} and what batches take"
        for role, one in facts["memory"].items()
    ]
    return printed


def size(of: float) -> str:
    """Format a number of bytes with three digits at most.

    >>> size(0), size(999), size(14_200), size(3_600_000_000)
    ('0 B', '999 B', '14 kB', '3.6 GB')
    """
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if of >= length:
            return f"{of / length:.2g} {unit}" if of < 10 * length else f"{of / length:.0f} {unit}"
    return f"{of:.0f} B"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
