"""Writer schemas from a folder or a Confluent-compatible registry; both are a `codecs.schemas.SchemaSource`."""

import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from shadowstream import config, extras
from shadowstream.codecs.framing import SchemaId
from shadowstream.codecs.schemas import (
    JsonSchema,
    NoSchemas,
    Schema,
    SchemaSource,
    fingerprint_of,
    is_avro,
    named,
    parse,
)
from shadowstream.errors import BrokerError, ConfigError, RecordError, RegistryError
from shadowstream.kafka.schemas.protoc import compile_proto
from shadowstream.logs import get_logger

log = get_logger("registry")
_FILE = re.compile(r"(\d+)\.(.+)\.(avsc|json|proto)")
_ID_MAX = 2**32 - 1
_NOT_FOUND = 404
_UNKNOWN_FOR_SECONDS = 30.0  # a schema may reach a registry's follower after the first record that names it
_CLIENT = {"timeout": 3, "max.retries": 0}  # short, without retries: the caller's loop retries and must keep polling
BACK_OFF_S = (0.25, 10.0)
"""Seconds until the next request to a silent registry: the first value, then doubled each time up to the last."""


def schema_source(schemas: config.Schemas) -> SchemaSource:
    """Return the source that a config names; JSON topics need none. Raises `ConfigError`."""
    if schemas.registry:
        return RegistrySchemas(schemas.registry, schemas.client)
    return FolderSchemas(schemas.dir) if schemas.dir else NoSchemas()


class FolderSchemas:
    """A folder of ``<id>.<subject>.avsc`` files, read once, here; ``.json`` is a JSON Schema, ``.proto`` Protobuf.

    Other files are ignored; a ``.proto`` without an id is an import. Raises `ConfigError` for a folder that is missing
    or has no such file, an `.avsc` file with another name, an invalid schema, and an id used twice.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        if not os.path.isdir(self._folder):  # unlike `Path.is_dir`, for a folder that may not be seen too
            raise ConfigError(f"schemas.dir: {self._folder} is not a folder; make it, with files <id>.<subject>.avsc")
        self._schemas: dict[int, Schema] = {}
        self._subjects: dict[str, list[int]] = {}
        files: dict[int, Path] = {}
        # Every `.avsc`, and other types with an id before the name: a wrong name of the former is an error.
        for path in sorted(one for one in self._listed() if one.suffix == ".avsc" or _FILE.fullmatch(one.name)):
            schema_id, subject = _named(path)
            if schema_id in files:
                used = f"id {schema_id} is used by {files[schema_id].name} already"
                raise ConfigError(f"{path}: {used}; give each schema an id of its own")
            files[schema_id] = path
            self._schemas[schema_id] = _read(path)
            self._subjects.setdefault(subject, []).append(schema_id)
        if not files:
            missing = "has no file <id>.<subject>.avsc, for example 1.orders-value.avsc"
            raise ConfigError(f"schemas.dir: {self._folder} {missing}")
        self._fingerprints = {fingerprint_of(one): n for n, one in self._schemas.items() if is_avro(one)}

    def _listed(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except OSError as error:
            raise ConfigError(f"schemas.dir: {self._folder} cannot be read: {error.strerror}") from error

    def by_id(self, schema_id: SchemaId) -> Schema:
        """Return the schema of that id or fingerprint; raises `RecordError`."""
        if isinstance(schema_id, bytes):
            if schema_id not in self._fingerprints:
                raise RecordError(f"{named(schema_id)} is unknown: no *.avsc in {self._folder} has it", reason="schema")
            return self._schemas[self._fingerprints[schema_id]]
        if isinstance(schema_id, UUID):
            by_guid = f"schema {schema_id} is named by GUID and a folder has ids only; use schemas.registry"
            raise RecordError(by_guid, reason="schema")
        if schema_id not in self._schemas:
            missing = f"no {schema_id}.*.avsc, .json or .proto in {self._folder}"
            raise RecordError(f"schema {schema_id} is unknown: {missing}", reason="schema")
        return self._schemas[schema_id]

    def versions(self, subject: str) -> list[Schema]:
        return [self._schemas[one] for one in sorted(self._subjects.get(subject, ()))]

    def latest_id(self, subject: str) -> int | None:
        """Return the subject's highest id, as a registry gives ids in ascending order."""
        return max(self._subjects.get(subject, ()), default=None)


def _named(path: Path) -> tuple[int, str]:
    match = _FILE.fullmatch(path.name)
    if match is None or int(match[1]) > _ID_MAX:
        name = f"name it <id>.<subject>.avsc, the id from 0 to {_ID_MAX}"
        raise ConfigError(f"{path}: {name}, for example 1.orders-value.avsc")
    return int(match[1]), match[2]


def _read(path: Path) -> Schema:
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            json.loads(text)
            return JsonSchema(text)
        if path.suffix == ".proto":
            others = {one.name: one.read_text("utf-8") for one in path.parent.glob("*.proto") if one != path}
            return compile_proto(path.name, text, others)
        return parse(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _of_client(given: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of the client. Raises `ConfigError` for an empty one: its variable is not set here."""
    if empty := [name for name, value in given.items() if not value]:
        raise ConfigError(f"schemas.client: {', '.join(empty)} is empty here; set its variable for this process")
    # The client demands the name of a logical cluster with each token; only Confluent Cloud reads it.
    cluster = {"bearer.auth.logical.cluster": ""} if "bearer.auth.credentials.source" in given else {}
    return cluster | dict(given)


class RegistrySchemas:
    """A Confluent-compatible schema registry. A schema that was read once stays known.

    While the registry is down, known schemas can be used. An unknown one raises `RegistryError`, without a request
    until the back-off has passed. A schema that the registry does not have raises `RecordError`, and is requested again
    after half a minute. `url` may hold a user and a password, as may `client`, the further properties; they are never
    shown. Not safe to share between threads.

    Raises `ConfigError` for an invalid URL or property, or if the client's extra packages are missing.
    """

    def __init__(self, url: str, client: Mapping[str, str] | None = None) -> None:
        try:
            with warnings.catch_warnings(record=True):  # authlib, which the client loads, shows a warning to everybody
                from confluent_kafka.schema_registry import SchemaRegistryClient
        except ImportError as error:
            raise extras.missing("registry", "schemas.registry", error.name) from error
        parts = urlsplit(url)
        self._shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))  # without secrets
        properties = _of_client(client or {})
        try:
            self._client: Any = SchemaRegistryClient({"url": url, **properties, **_CLIENT})
        except (TypeError, ValueError, OSError) as error:  # OSError: a certificate or key that cannot be read
            files = ", ".join(value for name, value in properties.items() if name.endswith(".location"))
            read = f" (files: {files})" if isinstance(error, OSError) else ""
            login = " with schemas.client" if client else ""
            text = f"schemas.registry: {self._shown} cannot be used{login}: {error}{read}"
            raise ConfigError(text) from error
        self._known: dict[SchemaId, Schema] = {}
        self._unknown: dict[SchemaId, tuple[float, str]] = {}
        self._silent, self._ask_at, self._last_error = 0, 0.0, ""

    def by_id(self, schema_id: SchemaId) -> Schema:
        """Return the schema of that id or GUID; raises `RecordError`, or `RegistryError`."""
        if schema_id in self._known:
            return self._known[schema_id]
        if isinstance(schema_id, bytes):
            unknown = f"{named(schema_id)} is unknown: a registry has ids only"
            raise RecordError(f"{unknown}; name them in schemas.formats: schema_ids", reason="schema")
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
        """Return the id of the subject's latest version; raises `RegistryError`."""
        found = self._ask(f"subject {subject}", self._client.get_latest_version, subject)
        return None if found is None else int(found.schema_id)

    def _parse(self, found: Any) -> Schema:
        kind = found.schema_type or "AVRO"
        if kind == "JSON":
            json.loads(found.schema_str)
            return JsonSchema(found.schema_str, tuple(self._texts(found).items()))
        if kind == "PROTOBUF":
            return compile_proto("schema.proto", found.schema_str, self._texts(found))
        if kind != "AVRO":
            raise ValueError(f"it is of type {kind}; AVRO, JSON and PROTOBUF are read")
        return parse(found.schema_str, self._references(found))

    def _referred(self, found: Any) -> Iterator[tuple[str, Any]]:
        for reference in found.references or ():
            what = f"{reference.subject} version {reference.version}"
            registered = self._ask(what, self._client.get_version, reference.subject, reference.version)
            if registered is None:
                raise ValueError(f"{self._shown} does not have {what}, which it refers to")
            yield reference.name, registered.schema

    def _texts(self, found: Any) -> dict[str, str]:
        """Return the texts of all schemas that a schema refers to, directly or not, by name."""
        texts: dict[str, str] = {}
        for name, schema in self._referred(found):
            texts |= {**self._texts(schema), name: schema.schema_str}
        return texts

    def _references(self, found: Any) -> dict[str, Any]:
        """Return the parsed types that an Avro schema refers to; those of a reference come before the reference."""
        known: dict[str, Any] = {}
        for _, schema in self._referred(found):
            known |= self._references(schema)
            parsed = parse(schema.schema_str, known)
            known |= parsed.get("__named_schemas", {}) if isinstance(parsed, dict) else {}
        return known

    def _ask(self, what: str, ask: Any, *args: Any) -> Any:
        """Return the registry's answer, None if it does not have the object."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        if time.monotonic() < self._ask_at:
            raise RegistryError(f"{what} waits: {self._last_error}")
        try:
            answer = ask(*args)
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                self._answered()
                return None
            message = f"schema registry {self._shown} refused the request for {what}: {error}"
            if error.http_status_code in (401, 403):
                message += "; check schemas.client: user and password, or token, and their right to read"
            if error.http_status_code < 500 and error.http_status_code != 429:
                raise BrokerError(message, fatal=True) from error
            self._unanswered(message)
            raise RegistryError(message) from error
        except Exception as error:  # any error of the HTTP client: no route, no name, time out, no JSON
            message = f"schema registry {self._shown} cannot be reached for {what}: {error!r}"
            message += "; check its URL and state. Known schemas are used, records with this one wait"
            self._unanswered(message)
            raise RegistryError(message) from error
        self._answered()
        return answer

    def _unanswered(self, message: str) -> None:
        first, last = BACK_OFF_S
        wait_s = min(first * 2**self._silent, last)
        self._silent = min(self._silent + 1, 10)
        self._ask_at, self._last_error = time.monotonic() + wait_s, message
        log.warning("registry_unreachable", error=message, again_s=wait_s)

    def _answered(self) -> None:
        if self._silent:
            log.info("registry_reached", registry=self._shown)
        self._silent, self._ask_at = 0, 0.0
