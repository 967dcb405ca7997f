"""Loader of a trial's config from its YAML file: reports every error at once, each with file, line, key and remedy.

`shadowstream.yamlfile` defines the supported YAML and ``${VAR}``; `shadowstream.config` defines the keys. This
module adds three steps:

- `extends` and `preset` name further layers, which `shadowstream.config_layers` merges; each value keeps its place.
- `schemas.dir` and `candidate.files` are relative to the file that holds them and become absolute.
- Below `kafka.client` and `kafka.roles.*.client` every scalar keeps its text, since librdkafka reads text: a
  password of ``0123`` keeps its zero.
"""

import difflib
import os
import re
import typing
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from shadowstream.config import Config, Model
from shadowstream.config_layers import Merged, Place, known_part, merged_layers
from shadowstream.errors import ConfigError
from shadowstream.loading import without_collecting, without_plugins
from shadowstream.masking import is_secret, without_userinfo
from shadowstream.masking import masked as _masked
from shadowstream.yamlfile import Document, KeyPath, Problem, UnusableValue, as_written, dotted, parse, read

__all__ = [
    "ConfigFileError",
    "ConfigSource",
    "Problem",
    "layers_as_written",
    "load",
    "masked",
    "nearest",
    "open_source",
    "source_of",
]

_KINDS: dict[str, tuple[str, str]] = {
    "string_type": ("a text", "put it in quotes"),
    "int_type": ("a whole number", "write one, without quotes"),
    "float_type": ("a number", "write one, without quotes"),
    "bool_type": ("true or false", "write one of them, without quotes"),
    "list_type": ("a list", "write [a, b]"),
    "dict_type": ("keys with values", "write {key: value}"),
    "model_type": ("keys with values", "write {key: value}"),
}
_SHOWN_MAX = 60
_NAMES_MAX = 20
_KEY_IN_MESSAGE = re.compile(r"([a-z_]+(?:\.[a-z_]+)*): ")


class ConfigFileError(ConfigError):
    """All errors of a config file; `problems` are in the order of its lines, file by file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        given = list(problems)
        files = {problem.file: i for i, problem in reversed(list(enumerate(given)))}
        self.problems = sorted(given, key=lambda problem: (files[problem.file], problem.line))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """A config and its file."""

    file: str
    config: Config
    places: Mapping[KeyPath, Place]
    scalars: Set[KeyPath]
    overridden: Sequence[Problem] = ()
    """A note for each value of an extended file or preset that another layer replaces."""

    def problem(self, message: str, where: KeyPath = ()) -> Problem:
        """Return a problem found outside the file; its key is the message's beginning, ``key.path: …``, or `where`."""
        return _locate(self.places, where, message)

    def origin(self, where: KeyPath) -> Place | None:
        """Return the place of a value of the loaded config; None if it is a default."""
        known = known_part(where, self.places)
        if known == where:
            return self.places[where]
        # Without a place of its own a value is a default, unless a short form stands for it or a check renamed its key.
        is_renamed = known != () and _field((*known, where[len(known)])) is None
        return self.places[known] if known in self.scalars or is_renamed else None


def load(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Config:
    """Load the config of a YAML file; `environ` holds the values of ``${VAR}``, by default the process's environment.

    Raises `ConfigFileError`: with every problem of the file. Raises `IsolationError`: the config names a topic or group
    that a trial must keep away from.
    """
    return open_source(path, environ).config


def open_source(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> ConfigSource:
    """Load like `load`, and keep the lines of the keys for problems found outside the file."""
    environment = os.environ if environ is None else environ
    return _source(read(Path(path), environment), os.fspath(path), environment)


def layers_as_written(path: str | os.PathLike[str], folder: Path) -> tuple[Any, list[Problem]]:
    """Return all layers of a YAML file as one, with each ``${VAR}`` as it is written, and the problems of their texts.

    Relative paths become relative to `folder`. The keys need not be those of a whole config.
    """

    def prepare(document: Document, own: Path) -> None:
        _take_as_written(document)
        _make_absolute(document.data, Path(os.path.relpath(own, folder.absolute())))

    merged = merged_layers(read(Path(path), os.environ), Path(path), os.fspath(path), os.environ, prepare)
    return as_written(Document(merged.data, raw=merged.raw)), merged.problems


def source_of(text: str, path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> ConfigSource:
    """Load a text like the content of a config file at `path`, which is not read; the files that it extends are."""
    environment = os.environ if environ is None else environ
    return _source(parse(text, environment), os.fspath(path), environment)


def _source(document: Document, file: str, environ: Mapping[str, str]) -> ConfigSource:
    merged = merged_layers(document, Path(file), file, environ, _prepare)
    problems = list(merged.problems)
    config = None
    if merged.is_whole and (not problems or isinstance(merged.data, dict)):
        try:
            # Strict: reject everything that an editor's JSON Schema check rejects.
            config = _model().model_validate(merged.data, strict=True)
        except ValidationError as error:
            problems += _explained(merged, error.errors(include_url=False))
        except ConfigError as error:
            problems.append(_locate(merged.places, (), str(error)))
    if problems or config is None:
        raise ConfigFileError(problems)
    return ConfigSource(file, config, merged.places, merged.raw.keys(), [_override(*one) for one in merged.overridden])


@cache
def _model() -> type[Config]:
    """The config's model with its validator, which is built here once."""
    with without_collecting(), without_plugins():
        Config.model_rebuild()
    return Config


def _override(where: KeyPath, high: Place, low: Place) -> Problem:
    return Problem(*high, dotted(where), f"overrides {low}")


def _prepare(document: Document, folder: Path) -> None:
    _take_as_written(document)
    _make_absolute(document.data, folder)


def masked(config: Config) -> dict[str, Any]:
    """Return the config as plain data, defaults included, secrets as ``***``."""
    return dict(_masked(config.model_dump(mode="json")))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint for an unknown name: the nearest known one, else all known ones.

    >>> nearest("boostrap", ["bootstrap", "client"])
    "did you mean 'bootstrap'?"
    >>> nearest("zzz", ["bootstrap", "client"])
    'known are bootstrap, client'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
    return f"known are {', '.join(names[:_NAMES_MAX])}{more}" if names else "none are known here"


def _take_as_written(document: Document) -> None:
    data = document.data
    judge = data.get("judge") if isinstance(data, dict) else None
    if isinstance(judge, dict) and judge.get("commands_key", "") is None:
        judge["commands_key"] = ""  # a key that this process lacks, and not a trial without one
    _take_signing_keys(document, judge)
    _take_lacking_headers(document)
    kafka = data.get("kafka") if isinstance(data, dict) else None
    if not isinstance(kafka, dict):
        return
    roles = kafka.get("roles")
    by_role = roles.items() if isinstance(roles, dict) else ()
    parts = {("kafka", "roles", role): part for role, part in by_role} | {("kafka",): kafka}
    for where, part in parts.items():
        client = part.get("client") if isinstance(part, dict) else None
        if not isinstance(client, dict):
            continue
        for name, value in client.items():
            if isinstance(value, bool | int | float):
                client[name] = document.texts[*where, "client", name]
            elif value is None and "${" in document.raw.get((*where, "client", name), ""):
                client[name] = ""  # a variable that is set for another role


def _take_signing_keys(document: Document, judge: Any) -> None:
    """Take keys that this process lacks as empty, and refuse a key that is in the file."""
    keys = judge.get("signing_keys") if isinstance(judge, dict) else None
    if not isinstance(keys, list):
        return
    for index, key in enumerate(keys):
        where = ("judge", "signing_keys", index)
        if "${" not in document.raw.get(where, "${"):
            message = "a key is not written into the file: name its variable, ${NAME}"
            document.problems.append((document.lines.get(where, 0), ("judge", "signing_keys"), message))
        if key is None:
            keys[index] = ""


def _take_lacking_headers(document: Document) -> None:
    """Take headers of a model server without their variables as empty: other roles than the runner lack them."""
    part = document.data
    for name in ("candidate", "http", "headers"):
        part = part.get(name) if isinstance(part, dict) else None
    for name, value in part.items() if isinstance(part, dict) else ():
        if value is None and "${" in document.raw.get(("candidate", "http", "headers", name), ""):
            part[name] = ""


def _make_absolute(data: Any, folder: Path) -> None:
    def absolute(value: Any) -> Any:
        return os.path.normpath(folder / value) if isinstance(value, str) and value else value

    if not isinstance(data, dict):
        return
    schemas, candidate = data.get("schemas"), data.get("candidate")
    if isinstance(schemas, dict) and "dir" in schemas:
        schemas["dir"] = absolute(schemas["dir"])
    if not isinstance(candidate, dict):
        return
    if isinstance(candidate.get("files"), list):
        candidate["files"] = [absolute(value) for value in candidate["files"]]
    http = candidate.get("http")
    for part in (http.get("tls"), http.get("header_files")) if isinstance(http, dict) else ():
        if isinstance(part, dict):
            part.update({name: absolute(value) for name, value in part.items()})
    if isinstance(pickled := candidate.get("pickle"), dict) and "path" in pickled:
        pickled["path"] = absolute(pickled["path"])


def _problem(places: Mapping[KeyPath, Place], where: KeyPath, message: str) -> Problem:
    return Problem(*places[known_part(where, places)], dotted(where), message)


def _locate(places: Mapping[KeyPath, Place], where: KeyPath, message: str) -> Problem:
    """Return a problem whose message may begin with its key, below `where` or from the root."""
    match = _KEY_IN_MESSAGE.match(message)
    if match:
        key = tuple(match[1].split("."))
        for begin in (where, ()):
            if _field((*begin, *key)) is not None:
                return _problem(places, (*begin, *key), message[match.end() :])
    return _problem(places, where, message)


def _explained(document: Merged, errors: list[ErrorDetails]) -> list[Problem]:
    problems: list[Problem] = []
    reported: set[KeyPath] = set()
    for error in errors:
        # For a value of several possible types, pydantic reports an error for each, below a place that does not exist.
        where = error["loc"] if error["type"] == "missing" else known_part(error["loc"], document.places)
        if where in reported or isinstance(error["input"], UnusableValue):
            continue
        several = len(where) < len(error["loc"])
        if not several and error["type"] == "value_error":
            problems.append(_locate(document.places, where, str(error.get("ctx", {}).get("error", error["msg"]))))
            continue
        reported.add(where)
        message = _message(error, where, document, several)
        problems.append(_problem(document.places, where, message))
    return problems


def _message(error: ErrorDetails, where: KeyPath, document: Merged, several: bool) -> str:
    kind, shown = error["type"], _shown(error["input"], where, document)
    field = _field(where)
    about = f" ({field.description})" if field and field.description else ""
    if kind == "extra_forbidden":
        outer = _field(where[:-1])
        model = _model_in(outer.annotation) if outer else _file_model()
        return f"unknown key; {nearest(str(where[-1]), model.model_fields if model else ())}"
    if kind == "missing":
        return f"is missing; add it{about}"
    if several and not isinstance(error["input"], dict | list | None):
        return f"{shown} has none of the forms that it may have{about}"
    if several:
        return f"expected a text, a number or true/false, found {shown}{about}"
    if kind in _KINDS:
        wanted, hint = _KINDS[kind]
        return f"expected {wanted}, found {shown}; {hint}{about}"
    if kind == "literal_error":
        choices = _choices(field)
        close = difflib.get_close_matches(str(error["input"]), choices, n=1)
        return f"{shown} is not one of {', '.join(choices)}" + (f"; did you mean {close[0]!r}?" if close else "")
    if kind == "string_pattern_mismatch":
        return f"{shown} does not look right; write it{about}"
    message = error["msg"].replace("Input should be", "must be").replace(" after validation", "")
    return f"{message[0].lower()}{message[1:]}, found {shown}{about}"


def _shown(value: Any, where: KeyPath, document: Merged) -> str:
    """Return the text in the file; never the content of a variable or a possible password."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "keys with values"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if where[:1] == ("kafka",) and "client" in where[1:]:
        return "another kind of value"
    if any(isinstance(part, str) and (is_secret(part) or part == "headers") for part in where):
        return "a value that is not shown"
    raw = without_userinfo(document.raw.get(where, str(value)))
    return repr(raw if len(raw) <= _SHOWN_MAX else raw[:_SHOWN_MAX] + "…")


def _model_in(annotation: Any) -> type[Model] | None:
    """Return the model in a field's type: itself, in a list, or optional."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def _field(where: KeyPath) -> FieldInfo | None:
    """Return the field of the config at a place; None if there is none, as below `kafka.client`."""
    model: type[Model] | None = _file_model()
    field: FieldInfo | None = None
    for part in where:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model else None
        if field is None:
            return None
        model = _model_in(field.annotation)
    return field


def _file_model() -> type[Model]:
    from shadowstream.config.config_file import ConfigFile  # a local import: only errors need its keys

    return ConfigFile


def _choices(field: FieldInfo | None) -> list[str]:
    def literals(annotation: Any) -> list[str]:
        if typing.get_origin(annotation) is typing.Literal:
            return [str(choice) for choice in typing.get_args(annotation)]
        return [choice for part in typing.get_args(annotation) for choice in literals(part)]

    return literals(field.annotation) if field else []
