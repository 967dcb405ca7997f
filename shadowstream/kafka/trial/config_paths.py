"""Check the paths of a config against the schemas of production's outputs in a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shadowstream.codecs.schema_paths import may_hold, paths_in, schema_of_answer
from shadowstream.codecs.schemas import is_avro
from shadowstream.config import Config
from shadowstream.configfile import nearest
from shadowstream.kafka.schemas.registry import FolderSchemas
from shadowstream.paths import parse_path
from shadowstream.yamlfile import KeyPath


def wrong_paths(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Yield each path that no schema of an output has: its place in the config, and a message.

    Without an Avro subject `<topic>-value` of each output no path is wrong: its values may have any path.
    """
    if config.schemas.dir is None:
        return
    source = FolderSchemas(Path(config.schemas.dir))
    schemas: list[Any] = []
    for topic in config.production.outputs:
        found = source.versions(f"{topic}-value")
        if not found or not all(map(is_avro, found)):
            return
        schemas += found
    answer = config.production.answer_names
    if answer and not any(may_hold(schema, answer) for schema in schemas):
        known = list(dict.fromkeys(path for schema in schemas for path in paths_in(schema)))
        path = config.production.answer or ""
        yield (
            ("production", "answer"),
            f"no schema of {', '.join(config.inputs)} has a field {path!r}; {nearest(path, known)}",
        )
        return
    if answer:
        schemas = [part for schema in schemas if (part := schema_of_answer(schema, answer)) is not None]
    known = list(dict.fromkeys(path for schema in schemas for path in paths_in(schema)))
    redacted = enumerate(config.compare.redact.paths if config.compare.redact else ())
    listed = [(("compare", "redact", "paths", n), path) for n, path in redacted]
    for where, path in [*_paths(config), *listed]:
        names = parse_path(path)
        if not any(may_hold(schema, names) for schema in schemas):
            outputs = ", ".join(config.production.outputs)
            yield where, f"no schema of {outputs} has a field {path!r}; {nearest(path, known)}"


def _paths(config: Config) -> Iterator[tuple[KeyPath, str]]:
    parts: list[tuple[KeyPath, Any]] = [(("judge", "criteria", n), one) for n, one in enumerate(config.judge.criteria)]
    parts += [(("compare", "dimensions", n), one) for n, one in enumerate(config.compare.dimensions)]
    parts += [(("compare", "checks", n), one) for n, one in enumerate(config.compare.checks)]
    parts += [(("compare", "distributions", n), one) for n, one in enumerate(config.compare.distributions)]
    parts += [(("identity",), config.identity), (("labels",), config.labels)]
    for where, part in [*parts, (("production", "error"), config.production.error)]:
        if part is not None and part.path is not None:
            yield (*where, "path"), part.path
