"""`report`: a verdict as an HTML page, as Markdown for a pull request, or as JUnit XML for a pipeline."""

import hashlib
import importlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from shadowstream import extras
from shadowstream.cli.answer import READ_TIMEOUT_S, MaxAge, Question, Revision, question
from shadowstream.cli.explain import explained
from shadowstream.cli.output import ConfigPath, Json, put_json, put_or_say
from shadowstream.cli.written_file import refuse_unwritable, unwritable
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.configfile import open_source
from shadowstream.judge.replay import course
from shadowstream.kafka.reading.topic_reader import TopicMissing, stream_topic
from shadowstream.kafka.refused_records import usable
from shadowstream.report.facts import POINTS_MAX, ExampleInput, Examples, Facts, History, about, until
from shadowstream.revision import revision_of
from shadowstream.status.pair_values import fields_of_input
from shadowstream.status.words import place_text

INPUTS_MAX = 20
"""Examples whose input is read; each takes a read of its own."""
_FORMS = {"html": "page", "markdown": "markdown", "junit": "junit"}


def report(
    config: ConfigPath,
    form: Annotated[Literal["html", "markdown", "junit"], typer.Option("--format", help="what to write")] = "html",
    out: Annotated[Path | None, typer.Option(help="file to write; default: stdout", show_default=False)] = None,
    examples: Annotated[int, typer.Option(min=0, max=10_000, help="most examples of what differs")] = 20,
    revision: Revision = None,
    max_age: MaxAge = "1h",
    as_json: Json = False,
) -> None:
    """Write the verdict as a report; exit code 0 whatever it is. With --json and no --out print its facts as JSON."""
    if form == "html" and not (as_json and out is None):
        extras.require("`report --format html`", "report")
    if out is not None:
        refuse_unwritable("--out", out)
    asked = question(config, revision, max_age)
    facts = facts_of(asked, examples, config)
    if as_json and out is None:
        put_json(_as_data(facts))
        return
    text = _written(form, facts)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise unwritable("--out", out, error) from error
    written = {"file": str(out), "format": form, "decision": facts.explanation.decision, "revision": facts.revision}
    put_or_say(written, f"{out}: {facts.decision}, revision {facts.revision}", as_json=as_json)


def facts_of(asked: Question, examples: int, command: str) -> Facts:
    """The content of a report, read from verdict, audit, drift and diff."""
    answer = asked.ask()
    history, kept = History(answer.revision), Examples(answer.revision, examples, asked.trial.compare.examples.count)
    attempt = answer.verdict["attempt"] if answer.verdict else 1
    if answer.revision == revision_of(asked.trial):  # window by window, by the criteria of this config
        verdicts = course(asked.trial, answer.revision, _records(asked, "stats"), POINTS_MAX, attempt)
    else:  # by the judge's evaluations, however many windows lie between two of them
        verdicts = _records(asked, "audit")
    for verdict in verdicts:
        history.take(verdict)
    for row in _records(asked, "diff"):
        kept.take(row)
    events = (event for event in _records(asked, "drift") if event["revision"] == answer.revision)
    points, drift = until(answer.verdict, history.points, events)
    digest, made_ms = digests(command), round(time.time() * 1000)
    return Facts(
        name=asked.trial.name,
        revision=answer.revision,
        explanation=explained(answer),
        about=about(asked.trial, answer.verdict, Path(command).name, digest, made_ms),
        verdict=answer.verdict,
        history=points,
        drift=drift,
        examples=kept.rows,
        examples_left=kept.left,
        inputs=_inputs(asked.trial, kept.rows[:INPUTS_MAX]),
        typical=kept.typical,
        command=command,
        override=answer.override,
        signed=answer.signed,
    )


def digests(config_file: str) -> str:
    """Return the SHA-256 of the config's file, and the name and SHA-256 of each file that it extends."""
    source = open_source(config_file)
    files = [file for file in {place.file: None for place in source.places.values()} if os.path.isfile(file)]
    extended = [f"; extends {Path(one).name}, SHA-256 {_digest(one)}" for one in files if one != source.file]
    return _digest(config_file) + "".join(extended)


def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _inputs(trial: Config, rows: Sequence[Mapping[str, Any]]) -> dict[str, ExampleInput]:
    """The inputs of examples: redacted as configured."""
    named = [row for row in rows if row["input"] is not None]
    if not named:
        return {}
    from shadowstream.kafka.reading.pair_reader import PairReader  # a local import: it loads what decodes
    from shadowstream.kafka.trial.hash_key import keyed_for_reading

    reader, redactor = PairReader(trial), Redactor.of(keyed_for_reading(trial))
    inputs = {}
    for row in named:
        found = reader.read_input(row)
        where = place_text(found.where, found.problem, deleted=found.value is None)
        inputs[row["pair_id"]] = ExampleInput(where, *fields_of_input(found.value, redactor))
    return inputs


def _records(asked: Question, kind: str) -> Iterator[dict[str, Any]]:
    """Records of one of the trial's topics; none if the topic does not exist yet."""
    try:
        topic = asked.trial.plan.of(kind)
        rows = stream_topic(asked.trial.kafka, topic, READ_TIMEOUT_S)
        yield from (row.record for row in usable(rows, topic, "verdict" if kind == "audit" else kind))
    except TopicMissing:
        return


def _written(form: str, facts: Facts) -> str:
    module = importlib.import_module(f"shadowstream.report.{_FORMS[form]}")
    text: str = getattr(module, _FORMS[form])(facts)
    return text


def _as_data(facts: Facts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "revision": facts.revision,
        "decision": facts.explanation.decision,
        "verdict": facts.verdict,
        "override": facts.override,
        "signed": facts.signed,
        "history": [
            {"time_ms": point.time_ms, "decision": point.decision, **point.criteria} for point in facts.history
        ],
        "about": facts.about,
        "drift": facts.drift,
        "examples": facts.examples,
        "examples_left": facts.examples_left,
        "inputs": {pair: one._asdict() for pair, one in facts.inputs.items()},
        "typical": {path: one._asdict() for path, one in facts.typical.items()},
    }
