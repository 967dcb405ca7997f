"""`topics plan|apply|acls`: the trial's own topics and the rights that it needs, for the cluster's administrators."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer
import yaml

from shadowstream.cli import acls
from shadowstream.cli.acls import object_name
from shadowstream.cli.output import ConfigPath, Json, cell, console, new_table, put, put_json, say
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial import bound_topics
from shadowstream.kafka.trial.topic_admin import (
    TopicState,
    alter_command,
    create,
    planned,
    source_counts,
    sources_of,
    survey,
)
from shadowstream.topics import TopicSpec

Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    topics = typer.Typer(help="the trial's own topics and rights")
    for command in (plan, apply, acls.acls, acls.quotas):
        topics.command()(command)
    app.add_typer(topics, name="topics")


def plan(
    config: ConfigPath,
    partitions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOPIC=N", help="partitions of a production output; with all given, the cluster is not asked"
        ),
    ] = None,
    form: Annotated[
        Literal["table", "strimzi"], typer.Option("--format", help="a table, or KafkaTopic objects of Strimzi")
    ] = "table",
    cluster: acls.Cluster = "kafka",
    as_json: Json = False,
) -> None:
    """Show every topic of the trial: partitions, settings, and whether it exists and fits; and the topics that it only
    reads. Changes nothing."""
    trial = load(config).acting_as("operator")
    if partitions:
        counts = _counts(trial, partitions)
        if form == "strimzi":
            put(_kafka_topics(planned(trial, counts), cluster))
            return
        rows = [_row(spec, "unknown") for spec in planned(trial, counts)]
        _print(trial, rows, as_json, f"{len(rows)} topics; the cluster was not asked what exists", counts)
        return
    client = admin(trial.kafka)
    bound_topics.check(trial, client)
    counts = source_counts(client, trial)
    if form == "strimzi":
        put(_kafka_topics(planned(trial, counts), cluster))
        return
    surveyed = survey(client, trial)
    states: list[str] = [topic.state for topic in surveyed]
    words = (("exists", "exist"), ("missing", "missing"), ("does not fit", "do not fit"))
    summary = f"{len(surveyed)} topics: " + ", ".join(f"{states.count(state)} {word}" for state, word in words)
    _print(trial, [_standing(trial, topic) for topic in surveyed], as_json, summary, counts)


def apply(
    config: ConfigPath,
    replication: Annotated[
        int, typer.Option(min=-1, help="replication factor of what is created; -1: the broker's default")
    ] = -1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be created, create nothing")] = False,
    as_json: Json = False,
) -> None:
    """Create the topics of the trial that are missing. Never deletes or alters one; refuses (2) where one misfits."""
    if replication == 0:
        raise ConfigError("--replication 0: give a number of copies, or -1 for the broker's default")
    trial = load(config).acting_as("operator")
    client = admin(trial.kafka)
    bound_topics.check(trial, client)
    surveyed = survey(client, trial)
    misfits = [f"topic {topic.spec.name} {problem}" for topic in surveyed for problem in topic.problems]
    if misfits:
        fixes = [
            alter_command(trial, one.spec.name, one.differing) for one in surveyed if one.problems and one.differing
        ]
        raise ConfigError("\n".join([*misfits, "nothing was created; topics are never altered here", *fixes]))
    missing = [topic.spec for topic in surveyed if topic.partitions is None]
    if not dry_run:
        create(client, missing, replication)
    word = "would be created" if dry_run else "created"
    rows = [_row(topic.spec, word) if topic.partitions is None else _standing(trial, topic) for topic in surveyed]
    _print(trial, rows, as_json, f"{len(missing)} topics {word}, {len(surveyed) - len(missing)} were there")


def _counts(trial: Config, given: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for option in given:
        topic, _, number = option.rpartition("=")
        if topic not in trial.production.outputs:
            known = ", ".join(trial.production.outputs)
            raise ConfigError(f"--partitions {option!r}: give TOPIC=N, the topic one of production.outputs: {known}")
        if not (number.isascii() and number.isdigit() and int(number)):
            raise ConfigError(f"--partitions {option!r}: {number!r} is no number of partitions; give 1 or more")
        counts[topic] = int(number)
    left = [topic for topic in trial.production.outputs if topic not in counts]
    if left:
        also = ", ".join(f"{topic}=N" for topic in left)
        raise ConfigError(f"--partitions: give {also} as well, or none at all to ask the cluster")
    return counts


def _kafka_topics(specs: Sequence[TopicSpec], cluster: str) -> str:
    """Return KafkaTopic objects; names of objects have no underscore and no capital, so topics are named apart."""
    objects = [
        {
            "apiVersion": "kafka.strimzi.io/v1beta2",
            "kind": "KafkaTopic",
            "metadata": {"name": object_name(spec.name), "labels": {"strimzi.io/cluster": cluster}},
            "spec": {"topicName": spec.name, "partitions": spec.partitions, "config": dict(spec.config)},
        }
        for spec in specs
    ]
    return yaml.safe_dump_all(objects).rstrip()


def _row(spec: TopicSpec, state: str, notes: Sequence[str] = ()) -> Row:
    about = {"name": spec.name, "partitions": spec.partitions, "config": dict(spec.config)}
    return {**about, "state": state, "notes": list(notes)}


def _standing(trial: Config, standing: TopicState) -> Row:
    existing = None if standing.partitions is None else {"partitions": standing.partitions, "config": standing.config}
    row = {**_row(standing.spec, standing.state, [*standing.problems, *standing.notes]), "found": existing}
    fix = alter_command(trial, standing.spec.name, standing.differing)
    return {**row, **({"fix": fix} if standing.differing else {})}


def _print(
    trial: Config, rows: Sequence[Row], as_json: bool, summary: str, counts: Mapping[str, int] | None = None
) -> None:
    """Print the trial's topics and, if their partitions are in `counts`, the topics that are only read."""
    sources = [
        {"name": topic, "partitions": (counts or {}).get(topic), "side": side}
        for topic, side in sources_of(trial).items()
    ]
    if as_json:
        put_json({"trial": trial.name, "topics": rows, **({} if counts is None else {"sources": sources})})
    else:
        table = new_table()
        for title in ("topic", "partitions", "settings", "state"):
            table.add_column(title, overflow="fold")
        for row in rows:
            settings = " ".join(f"{name}={value}" for name, value in row["config"].items())
            state = "; ".join([row["state"], *row["notes"]])
            table.add_row(cell(row["name"]), cell(str(row["partitions"])), cell(settings), cell(state))
        for source in [] if counts is None else sources:
            partitions = "-" if source["partitions"] is None else str(source["partitions"])
            state = f"only read: {source['side']}"
            table.add_row(cell(str(source["name"])), cell(partitions), cell("-"), cell(state))
        console().print(table)
        for fix in [row["fix"] for row in rows if "fix" in row]:
            put(fix)
    say(summary)
