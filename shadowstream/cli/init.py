"""`init`: a first config from the cluster: samples topics, and writes a commented config that says why."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from shadowstream.cli.config_commands import problems_outside
from shadowstream.cli.init_questions import Questions, checked_topics, words_of
from shadowstream.cli.init_settings import candidate_of, kafka_of, properties_of, schemas_of
from shadowstream.cli.output import Json, put, put_json, put_wrapped, say, wrapped
from shadowstream.cli.written_file import refuse_unwritable
from shadowstream.configfile import ConfigFileError, Problem, open_source
from shadowstream.errors import ConfigError
from shadowstream.first_config.config_text import Answers, config_text, identity_sentences, topic_sentences
from shadowstream.first_config.findings import Findings, Seen, find, name_for
from shadowstream.kafka.first_config.cluster import Cluster
from shadowstream.kafka.first_config.sampling import Bounds
from shadowstream.topics import TopicPlan
from shadowstream.yaml_flow import flow


class _Trial(NamedTuple):
    """Parts of the config that are known before anything is read."""

    name: str
    inputs: list[str]
    outputs: list[str]
    candidate: dict[str, Any]


def init(
    bootstrap: Annotated[str, typer.Option(help="host:port of one or more brokers, by comma")] = "localhost:9092",
    inputs: Annotated[
        list[str] | None, typer.Option(help="topics that production reads, by comma or repeated; default: asked")
    ] = None,
    outputs: Annotated[list[str] | None, typer.Option(help="topics that production writes; default: asked")] = None,
    candidate: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="the candidate, a function of one decoded value")
    ] = None,
    candidate_http: Annotated[
        str | None, typer.Option(metavar="URL", help="instead: a server that answers a POST of the value as JSON")
    ] = None,
    candidate_version: Annotated[
        str | None, typer.Option(help="with --candidate-http: name of the model that answers there")
    ] = None,
    schemas: Annotated[str | None, typer.Option(metavar="DIR", help="folder of <id>.<subject>.avsc files")] = None,
    registry: Annotated[str | None, typer.Option(metavar="URL", help="URL of the schema registry")] = None,
    name: Annotated[str | None, typer.Option(help="name of the trial; default: made from the output topic")] = None,
    group: Annotated[str | None, typer.Option(help="production's consumer group; default: found, or asked")] = None,
    client_config: Annotated[
        str | None, typer.Option(metavar="FILE", help="file of client properties, one name=value a line")
    ] = None,
    client_property: Annotated[
        list[str] | None, typer.Option("-X", metavar="NAME=VALUE", help="a client property, as security.protocol=SSL")
    ] = None,
    bounded: Annotated[
        bool, typer.Option("--bounded", help="judge the records that are there, and end with them")
    ] = False,
    records: Annotated[int, typer.Option(min=1, max=100_000, help="most sampled records of an output topic")] = 5_000,
    bytes_: Annotated[
        int, typer.Option("--bytes", min=1, max=1_000_000_000, help="most sampled bytes of a topic")
    ] = 50_000_000,
    seconds: Annotated[float, typer.Option(min=0.1, max=600.0, help="most time to read a topic")] = 10.0,
    out: Annotated[str, typer.Option(help="the file to write")] = "trial.yaml",
    force: Annotated[bool, typer.Option("--force", help="replace the file if it exists")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="ask nothing; options give what no sample shows")] = False,
    as_json: Json = False,
) -> None:
    """Write the first config of a trial: samples topics, finds what fits, and says above each line why.

    It only reads: no topic is created, no group is joined or committed to. It asks what no sample shows; with --yes,
    options give that. Rules that would hide a difference are written as proposals unless you confirm them.
    """
    path = _writable(Path(out), force=force)
    questions = Questions(yes=yes)
    client = kafka_of(bootstrap, properties_of(client_config, client_property or ()))
    sources = schemas_of(schemas, registry, path.parent)
    cluster = Cluster(client.model)
    trial = _trial(cluster, questions, (name, inputs, outputs), (candidate, candidate_http, candidate_version))
    seen = cluster.seen(trial.inputs, trial.outputs, sources.model, Bounds(records, bytes_, seconds), say)
    found = find(seen)
    if not as_json:
        _show(seen, found)
    answers = _answers(questions, seen, found, trial, (group, bounded))
    text = config_text(seen, found, replace(answers, kafka=client.written, schemas=sources.written))
    notes = _write(path, text, force=force)
    if as_json:
        put_json(_record(path, seen, found, answers, notes))
    else:
        put(f"production's group: {answers.group or 'not known; the file lists what was found'}")
        _say_next(path, notes, client.variables)


def _writable(path: Path, *, force: bool) -> Path:
    if os.path.exists(path) and not force:
        raise ConfigError(f"--out: {path} exists; give another file, or --force to replace it")
    if not path.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {path.parent}; make it first")
    refuse_unwritable("--out", path)
    return path


def _trial(
    cluster: Cluster,
    questions: Questions,
    given: tuple[str | None, list[str] | None, list[str] | None],
    candidate: tuple[str | None, str | None, str | None],
) -> _Trial:
    name, *topics = given
    given_inputs, given_outputs = topics
    if given_inputs is None:
        inputs = questions.topics("--inputs", "Topics that production reads", cluster.counts, ())
    else:
        inputs = checked_topics("--inputs", words_of(given_inputs), cluster.counts)
    if given_outputs is None:
        outputs = questions.topics("--outputs", "Topics that production writes", cluster.counts, inputs)
    else:
        outputs = checked_topics("--outputs", words_of(given_outputs), cluster.counts, inputs)
    section = candidate_of(questions, *candidate)
    taken = {topic.split(".")[1] for topic in cluster.counts if topic.startswith("shadow.") and topic.count(".") > 1}
    if name is None:
        name = name_for(outputs[0], sorted(taken))
    elif name in taken:
        say(f"--name: the cluster has topics of a trial {name!r} already; this one would continue it")
    return _Trial(TopicPlan(name).name, inputs, outputs, section)


def _answers(
    questions: Questions, seen: Seen, found: Findings, trial: _Trial, given: tuple[str | None, bool]
) -> Answers:
    group, bounded = given
    if group is None:
        is_only = len(seen.groups) == 1 and seen.groups_problem is None
        group = seen.groups[0].name if is_only else questions.group(seen.groups)
    if bounded and group is None:
        raise ConfigError("--bounded: needs production's group, whose commits show its end; give --group")
    after_output = questions.commits_after_output(group)
    is_bounded = bounded or questions.bounded(seen, group)
    rules = questions.rules(found)
    return Answers(trial.name, {}, trial.candidate, {}, group, after_output, is_bounded, rules)


def _write(path: Path, text: str, *, force: bool) -> list[str]:
    """Write the file once it is shown to load; return what is not usable yet outside of it, as the candidate's code."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".init-", suffix=".yaml", encoding="utf-8") as trying:
        trying.write(text)
        trying.flush()
        try:
            source = open_source(trying.name)
        except ConfigFileError as error:
            raise ConfigError("\n".join(_text_of(one) for one in error.problems)) from error
        notes = [_text_of(one) for one in problems_outside(source)[1]]
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"--out: {path} cannot be written: {error.strerror}") from error
    return notes


def _text_of(problem: Problem) -> str:
    return ": ".join(filter(None, (problem.key, problem.message)))


def _show(seen: Seen, found: Findings) -> None:
    for one in (*seen.inputs, *seen.outputs):
        put_wrapped(f"{one.topic}: {' '.join(topic_sentences(one))}")
    put_wrapped(f"identity {flow(found.identity)}: {' '.join(identity_sentences(seen, found))}")


def _say_next(path: Path, notes: Sequence[str], variables: Sequence[str]) -> None:
    for note in notes:
        say(wrapped(f"not usable yet: {note}"))
    if variables:
        say(f"set {', '.join(variables)} for each command: the file names variables in place of secrets")
    put(f"wrote {path}. Read it, then:")
    for word in ("validate", "doctor", "up"):
        put(f"  shadowstream {word} {shlex.quote(str(path))}")


def _record(path: Path, seen: Seen, found: Findings, given: Answers, notes: Sequence[str]) -> Mapping[str, object]:
    topics = [
        {
            "topic": one.topic, "partitions": one.partitions, "records": len(one), "formats": dict(one.formats),
            "undecodable": sum(one.reasons.values()), "problem": one.problem, "limits": one.limits,
        }
        for one in (*seen.inputs, *seen.outputs)
    ]  # fmt: skip
    return {
        "out": str(path), "name": given.name, "topics": topics, "group": given.group, "bounded": given.is_bounded,
        "groups": [one.name for one in seen.groups], "identity": found.identity, "fits": bool(found.ways),
        "rules": [one.path for one in given.rules], "proposals": [one.path for one in found.proposals],
        "notes": list(notes),
    }  # fmt: skip
