"""Settings that `init` is given: client properties, schemas and the candidate, as they are used and as written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from shadowstream.cli.init_questions import Questions
from shadowstream.config import Candidate, Kafka, Schemas
from shadowstream.errors import ConfigError
from shadowstream.masking import is_secret, without_userinfo
from shadowstream.yaml_flow import Variable

_SHOWN = {
    *("sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.oauthbearer.method", "sasl.oauthbearer.scope"),
    *("sasl.oauthbearer.token.endpoint.url", "sasl.kerberos.service.name", "sasl.kerberos.principal"),
    *("sasl.kerberos.keytab", "ssl.key.location", "ssl.keystore.location"),
}
"""Properties that are secret by the rule of names and hold none; all others become variables in the file."""


class KafkaSettings(NamedTuple):
    """Access to the cluster, and its section in the file, where secrets are variables of the environment."""

    model: Kafka
    written: dict[str, Any]
    variables: list[str]


class SchemaSettings(NamedTuple):
    """Source of schemas, and its section in the file."""

    model: Schemas
    written: dict[str, str]


def properties_of(path: str | None, texts: Sequence[str]) -> dict[str, str]:
    """Return the client properties of a file and of the command line, which wins. Raises `ConfigError`."""
    found: dict[str, str] = {}
    if path is not None:
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise ConfigError(f"--client-config: {path} cannot be read: {error}") from error
        kept = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        found |= dict(_pair(f"--client-config {path}", line) for line in kept)
    return found | dict(_pair("-X", text) for text in texts)


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"{option}: {name.strip()!r} has no value; give NAME=VALUE, as security.protocol=SSL")
    return name.strip(), value.strip()


def kafka_of(bootstrap: str, properties: dict[str, str]) -> KafkaSettings:
    """Return the access to the cluster. Raises `ConfigError` for a property that the config does not take."""
    try:
        model = Kafka.model_validate({"bootstrap": bootstrap, "client": dict(properties)})
    except ValidationError as error:
        raise ConfigError(f"--bootstrap, --client-config, -X: {_text_of(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"--client-config, -X: {error}") from error
    secret = {name: variable_of(name) for name in properties if is_secret(name) and name not in _SHOWN}
    client = properties | {name: Variable(f"${{{variable}:-}}") for name, variable in secret.items()}
    return KafkaSettings(model, {"bootstrap": bootstrap, "client": client}, list(secret.values()))


def variable_of(name: str) -> str:
    """Return the variable of the environment that holds a secret property.

    >>> variable_of("sasl.password")
    'SASL_PASSWORD'
    """
    return "".join(c if c.isalnum() else "_" for c in name.upper())


def schemas_of(folder: str | None, registry: str | None, beside: Path) -> SchemaSettings:
    """Return the source of schemas; the folder is written relative to the file's. Raises `ConfigError`."""
    try:
        model = Schemas.model_validate({"dir": folder, "registry": registry})
    except ValidationError as error:
        raise ConfigError(f"--schemas, --registry: {_text_of(error)}") from error
    written = {}
    if folder is not None:
        written["dir"] = os.path.relpath(folder, beside)
    if registry is not None:
        bare = without_userinfo(registry).replace("***@", "")
        written["registry"] = registry if bare == registry else Variable(f"${{SCHEMA_REGISTRY_URL:-{bare}}}")
    return SchemaSettings(model, written)


def candidate_of(questions: Questions, call: str | None, url: str | None, version: str | None) -> dict[str, Any]:
    """Return the section `candidate`, asked for what is not given. Raises `ConfigError`."""
    if call is not None and url is not None:
        raise ConfigError("--candidate and --candidate-http: give one of them")
    if call is None and url is None:
        question = "Candidate (module:function, or the URL of a server that answers JSON)"
        call, url = questions.answer("--candidate", question, _kind_of)
    if url is None:
        if version is not None:
            raise ConfigError("--candidate-version: goes with --candidate-http; a function is known by its files")
        return _checked({"call": call}, f"--candidate {call!r}: give module:function, as fraud_v2.model:score")
    version = version or questions.answer("--candidate-version", "Name of the model that answers there, as 2.1", _named)
    return _served(url, version)


def _kind_of(text: str) -> tuple[str | None, str | None]:
    """Return a function or a URL, once it is one."""
    if "://" in text:
        return None, _served(text, "any")["http"]["url"]
    return _checked({"call": text}, f"{text!r}: give module:function, as fraud_v2.model:score, or a URL")["call"], None


def _named(text: str) -> str:
    if not text:
        raise ConfigError("give a name; evidence is bound to it, so change it with the model")
    return text


def _served(url: str, version: str) -> dict[str, Any]:
    section = {"http": {"url": url, "protocol": "json"}, "version": version}
    shown = without_userinfo(url)
    return _checked(section, f"--candidate-http {shown!r}: give an address as http://fraud-v2:8080/score")


def _checked(section: dict[str, Any], problem: str) -> dict[str, Any]:
    """Return the section `candidate` if the config takes it, else raise `ConfigError` with the problem."""
    try:
        Candidate.model_validate(section)
    except ValidationError as error:
        raise ConfigError(problem) from error
    return section


def _text_of(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ")
