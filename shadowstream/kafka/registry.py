"""Writer schemas from a folder or a Confluent-compatible registry; both are a `codecs.schemas.SchemaSource`."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from shadowstream import config
from shadowstream.codecs.framing import SchemaId
from shadowstream.codecs.schemas import NoSchemas, ParsedSchema, SchemaSource, parse
from shadowstream.errors import BrokerError, ConfigError, RecordError

_FILE = re.compile(r"(\d+)\.(.+)\.avsc")
_ID_MAX = 2**32 - 1
_NOT_FOUND = 404
# A schema may reach a registry's follower a moment after the first record that names it.
_UNKNOWN_FOR_SECONDS = 30.0
# Short, since the caller's loop retries and must go on polling meanwhile.
_CLIENT = {"timeout": 5, "max.retries": 1, "retries.wait.ms": 100, "retries.max.wait.ms": 500}


def schema_source(schemas: config.Schemas) -> SchemaSource:
    """The source that a config names; loading the config file has made `dir` absolute.

    Without either, no schema is known: JSON topics need none. Raises `ConfigError`.
    """
    if schemas.registry:
        return RegistrySchemas(schemas.registry)
    return FolderSchemas(schemas.dir) if schemas.dir else NoSchemas()


class FolderSchemas:
    """A folder of ``<id>.<subject>.avsc`` files, read once, here. Other files are left alone.

    Raises `ConfigError` for a folder that is missing or has no such file, for an `.avsc` file of another name, for
    broken JSON or Avro, and for an id used twice.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise ConfigError(f"schemas.dir: {self._folder} is not a folder; make it, with files <id>.<subject>.avsc")
        self._schemas: dict[int, ParsedSchema] = {}
        self._latest: dict[str, int] = {}
        files: dict[int, Path] = {}
        for path in sorted(self._folder.glob("*.avsc")):
            schema_id, subject = _named(path)
            if schema_id in files:
                raise ConfigError(
                    f"{path}: id {schema_id} is used by {files[schema_id].name} already; one id, one schema"
                )
            files[schema_id] = path
            self._schemas[schema_id] = _read(path)
            self._latest[subject] = max(schema_id, self._latest.get(subject, 0))
        if not files:
            raise ConfigError(
                f"schemas.dir: {self._folder} has no file <id>.<subject>.avsc, for example 1.orders-value.avsc"
            )

    def by_id(self, schema_id: SchemaId) -> ParsedSchema:
        """The schema of that id; raises `RecordError`."""
        if isinstance(schema_id, UUID):
            raise RecordError(
                f"schema {schema_id} is named by GUID and a folder has ids only; use schemas.registry", reason="schema"
            )
        if schema_id not in self._schemas:
            raise RecordError(
                f"schema {schema_id} is unknown: no {schema_id}.*.avsc in {self._folder}", reason="schema"
            )
        return self._schemas[schema_id]

    def latest_id(self, subject: str) -> int | None:
        """The subject's highest id, as a registry gives them out in ascending order."""
        return self._latest.get(subject)


def _named(path: Path) -> tuple[int, str]:
    match = _FILE.fullmatch(path.name)
    if match is None or int(match[1]) > _ID_MAX:
        raise ConfigError(
            f"{path}: name it <id>.<subject>.avsc, the id from 0 to {_ID_MAX}, for example 1.orders-value.avsc"
        )
    return int(match[1]), match[2]


def _read(path: Path) -> ParsedSchema:
    try:
        return parse(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error


class RegistrySchemas:
    """A Confluent-compatible schema registry. What was read once is known for ever.

    While the registry is down known schemas go on; an unknown one is a retriable `BrokerError`. One that the registry
    does not have is a `RecordError`, asked for again after half a minute. `url` may hold a user and a password; they
    are never shown. Not safe to share between threads.
    Raises `ConfigError` for a URL that cannot be one, or where the client's extra packages are missing.
    """

    def __init__(self, url: str) -> None:
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient
        except ImportError as error:
            raise ConfigError(
                f"schemas.registry: the registry client lacks {error.name}; install shadowstream[registry]"
            ) from error
        self._shown = _without_secrets(url)
        try:
            self._client: Any = SchemaRegistryClient({"url": url, **_CLIENT})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"schemas.registry: {self._shown} cannot be used: {error}") from error
        self._known: dict[SchemaId, ParsedSchema] = {}
        self._unknown: dict[SchemaId, tuple[float, str]] = {}

    def by_id(self, schema_id: SchemaId) -> ParsedSchema:
        """The schema of that id; raises `RecordError`, or a retriable `BrokerError`."""
        if schema_id in self._known:
            return self._known[schema_id]
        until, text = self._unknown.get(schema_id, (0.0, ""))
        if time.monotonic() < until:
            raise RecordError(text, reason="schema")
        ask = self._client.get_schema_by_guid if isinstance(schema_id, UUID) else self._client.get_schema
        found = self._ask(f"schema {schema_id}", ask, str(schema_id) if isinstance(schema_id, UUID) else schema_id)
        try:
            if found is None:
                raise ValueError(f"{self._shown} does not have it")
            schema = self._parse(found)
        except ValueError as error:
            text = f"schema {schema_id} cannot be used: {error}"
            self._unknown[schema_id] = time.monotonic() + _UNKNOWN_FOR_SECONDS, text
            raise RecordError(text, reason="schema") from error
        self._known[schema_id] = schema
        return schema

    def latest_id(self, subject: str) -> int | None:
        """The subject's latest version; raises a retriable `BrokerError`."""
        found = self._ask(f"subject {subject}", self._client.get_latest_version, subject)
        return None if found is None else int(found.schema_id)

    def _parse(self, found: Any) -> ParsedSchema:
        kind = found.schema_type or "AVRO"
        if kind != "AVRO":
            raise ValueError(f"it is of type {kind}; only AVRO is read")
        return parse(found.schema_str, self._references(found))

    def _references(self, found: Any) -> dict[str, Any]:
        """Parsed types that a schema takes from other subjects, theirs before its own."""
        named: dict[str, Any] = {}
        for reference in found.references or ():
            what = f"{reference.subject} version {reference.version}"
            registered = self._ask(what, self._client.get_version, reference.subject, reference.version)
            if registered is None:
                raise ValueError(f"{self._shown} does not have {what}, which it refers to")
            named |= self._references(registered.schema)
            parsed = parse(registered.schema.schema_str, named)
            named |= parsed.get("__named_schemas", {}) if isinstance(parsed, dict) else {}
        return named

    def _ask(self, what: str, ask: Any, *args: Any) -> Any:
        """The registry's answer, None where it knows no such thing."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return ask(*args)
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                return None
            retriable = error.http_status_code >= 500 or error.http_status_code == 429
            raise BrokerError(
                f"schema registry {self._shown} refused to tell {what}: {error}",
                retriable=retriable,
                fatal=not retriable,
            ) from error
        except Exception as error:  # whatever the HTTP client raises: no route, no name, time out, no JSON
            raise BrokerError(
                f"schema registry {self._shown} cannot be reached for {what}: {error!r}; "
                "schemas known so far go on, this one waits",
                retriable=True,
            ) from error


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
