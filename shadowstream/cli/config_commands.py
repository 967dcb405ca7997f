"""`validate`, `config show` and `schema config`: the commands that need the config file and no cluster."""

import importlib.util
import json
from collections.abc import Iterator
from typing import Annotated

import typer

from shadowstream.cli.config_lines import leaves, yaml_lines
from shadowstream.cli.output import ConfigPath, ExitCode, Json, put, put_json, say
from shadowstream.configfile import ConfigFileError, ConfigSource, Problem, masked, open_source
from shadowstream.configschema import json_schema
from shadowstream.errors import ConfigError
from shadowstream.kafka.schemas.registry import FolderSchemas
from shadowstream.kafka.trial.config_paths import wrong_paths
from shadowstream.paths import parse_path
from shadowstream.pickled_models import check_digest
from shadowstream.revision import revision_of
from shadowstream.runner.candidate import check_trusted
from shadowstream.signatures import problems_of
from shadowstream.yamlfile import dotted


def register(app: typer.Typer) -> None:
    config = typer.Typer(help="look at a config")
    config.command("show")(show)
    schema = typer.Typer(help="schemas of what shadowstream reads and writes")
    schema.command("config")(schema_config)
    app.command()(validate)
    app.add_typer(config, name="config")
    app.add_typer(schema, name="schema")


def validate(config: ConfigPath, as_json: Json = False) -> None:
    """Check a config offline: every problem with its file, line and key.

    Exit code 0 or 2; 1 where it takes topics or groups of a trial for production's.
    """
    revision: str | None = None
    notes: list[Problem] = []
    try:
        source = open_source(config)
        notes = list(source.overridden)
        revision, problems = problems_outside(source)
    except ConfigFileError as error:
        problems = error.problems
    if as_json:
        found = {"problems": [problem._asdict() for problem in problems], "notes": [note._asdict() for note in notes]}
        put_json({"ok": not problems, "revision": revision, **found})
    elif problems:
        put("\n".join(map(str, problems)))
    else:
        put(f"{config}: ok; trial {source.config.name!r}, revision {revision}")
        if called := sorted(set(source.config.compare.calls)):
            say(f"note: {', '.join(called)} will run beside the joiner, with its rights; every verdict says so")
        if (answer := source.config.production.answer) is not None:
            say(f"note: the candidate gets each input without {answer}, and its output is compared with that field")
        for note in notes:
            say(f"note: {note}")
    if problems:
        say(f"{len(problems)} problem{'s' * (len(problems) > 1)} in {config}")
        raise typer.Exit(ExitCode.USAGE)


def problems_outside(source: ConfigSource) -> tuple[str | None, list[Problem]]:
    """The revision, and the errors in the files that the config names, including those that a role would reject."""
    revision, problems = None, []
    try:
        check_trusted(source.config.candidate)
        if (pickled := source.config.candidate.pickle) is not None:
            check_digest(pickled)
    except ConfigError as error:
        problems.append(source.problem(str(error)))
    alerts = source.config.alerts_problem
    if source.config.alerts.targets and alerts is not None:
        key = "webhook" if source.config.alerts.webhook else "channels"
        problems.append(source.problem(f"alerts.{key}: {alerts}", ("alerts", key)))
    problems += _unusable_services(source)
    folder = source.config.schemas.dir
    try:
        if folder is not None:
            FolderSchemas(folder)
            problems += [source.problem(message, where) for where, message in wrong_paths(source.config)]
    except ConfigError as error:
        problems.append(source.problem(str(error), ("schemas", "dir")))
    problems += _duplicate_rules(source)
    try:
        revision = revision_of(source.config)
    except ConfigError as error:
        problem = source.problem(str(error))
        # The revision reads the schemas too, and their errors have already been reported.
        if problem.key != "schemas.dir" or problem.key not in [known.key for known in problems]:
            problems.append(problem)
    problems += map(source.problem, problems_of(source.config))
    return revision, sorted(problems, key=lambda problem: problem.line)


def _unusable_services(source: ConfigSource) -> Iterator[Problem]:
    """Channels with a URL that apprise cannot use, where it is installed."""
    for i, channel in enumerate(source.config.alerts.channels):
        if channel.apprise is not None and importlib.util.find_spec("apprise") is not None:
            from shadowstream.alerts.channels.services import service_of  # a local import: few configs need it

            try:
                service_of(channel)
            except ConfigError as error:
                problem = str(error).removeprefix("alerts.channels: ")
                yield source.problem(problem, ("alerts", "channels", i, "apprise"))


def _duplicate_rules(source: ConfigSource) -> Iterator[Problem]:
    """Pairs of rules with the same path in two notations."""
    names: dict[tuple[str | None, ...], str] = {}
    for place, rule in enumerate(source.config.compare.rules):
        first = names.setdefault(tuple(parse_path(rule.path)), rule.path)
        if first != rule.path:
            message = f"{rule.path!r} names the path of the rule {first!r}; give one rule"
            yield source.problem(message, ("compare", "rules", place, "path"))


def show(
    config: ConfigPath,
    as_json: Json = False,
    with_origins: Annotated[
        bool, typer.Option("--origin", help="with --json: `origins` too, the file and line of each value by its key")
    ] = False,
) -> None:
    """Print a config with every default and variable filled in and every secret masked.

    A comment names the file and line, or the preset, that a value comes from; the others are defaults.
    """
    source = open_source(config)
    shown = masked(source.config)
    if as_json and with_origins:
        origins = {dotted(where): str(place) for where in leaves(shown) if (place := source.origin(where)) is not None}
        put_json({"config": shown, "origins": origins})
    elif as_json:
        put_json(shown)
    else:
        put("\n".join(["# a value without a comment is a default", *yaml_lines(shown, source.origin)]))


def schema_config(as_json: Json = False) -> None:
    """Print the JSON Schema (draft 7) of the config, for editors. With --json on one line."""
    if as_json:
        put_json(json_schema())
    else:
        put(json.dumps(json_schema(), indent=2, ensure_ascii=False))
