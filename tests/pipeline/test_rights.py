"""A cluster with an authorizer: the rights that `topics acls` lists suffice for a trial; one that lacks is named."""

import argparse
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.ports import free_port
from shadowstream.testing.properties import second_listener
from shadowstream.testing.topics import read_all
from tests.pipeline.test_cli_errors import endings
from tests.pipeline.trial_fixture import Trial

ORDERS = 300
PRINCIPAL = "User:shadow"
PASSWORD = "not-a-secret"
LOGIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
LOGIN = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
LOGIN |= {"sasl.username": "shadow", "sasl.password": PASSWORD}
WRITTEN = ("progress", "diff", "stats", "state")
GROUP = ResourceType.GROUP
TYPES = {"topic": ResourceType.TOPIC, "group": GROUP, "transactional_id": ResourceType.TRANSACTIONAL_ID}


def guarded(port: int, login: int, controller: int) -> dict[str, str]:
    """Properties of a broker that lets nobody do anything but who comes by `port`, and asks at `login` who it is."""
    return {
        **second_listener(port, controller, "LOGIN", login, login, "SASL_PLAINTEXT"),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": f'{LOGIN_MODULE} required user_shadow="{PASSWORD}";',
    }


def bindings(commands: list[str]) -> Iterator[AclBinding]:
    """What these lines of `kafka-acls` would add."""
    words = argparse.ArgumentParser()
    for option in ("--bootstrap-server", "--allow-principal", "--resource-pattern-type"):
        words.add_argument(option)
    words.add_argument("--add", action="store_true")
    words.add_argument("--operation", action="append")
    for option in TYPES:
        words.add_argument(f"--{option.replace('_', '-')}")
    for command in commands:
        options = words.parse_args(shlex.split(command)[1:])
        pattern = ResourcePatternType[(options.resource_pattern_type or "literal").upper()]
        kind, name = next((TYPES[option], getattr(options, option)) for option in TYPES if getattr(options, option))
        for operation in options.operation:
            allowed = AclOperation[operation.upper()], AclPermissionType.ALLOW
            yield AclBinding(kind, name, pattern, options.allow_principal, "*", *allowed)


@pytest.fixture(scope="module")
def guarded_kafka() -> Iterator[tuple[str, str]]:
    """Where one may do everything, and where one must log in."""
    port, login, controller = free_port(), free_port(), free_port()
    with EmbeddedKafka(port=port, properties=guarded(port, login, controller)) as kafka:
        yield kafka.bootstrap, f"127.0.0.1:{login}"


@dataclass(frozen=True, slots=True)
class GuardedBroker:
    """A trial that logs in, while production is played by who may do everything; and the rights it asks for."""

    trial: Trial
    client: AdminClient
    rights: list[AclBinding]


@pytest.fixture
def one(guarded_kafka: tuple[str, str], topic_prefix: str, tmp_path: Path) -> Iterator[GuardedBroker]:
    bootstrap, login = guarded_kafka
    trial = Trial(bootstrap, f"guarded-{topic_prefix.rpartition('-')[2].rstrip('.')}", tmp_path)
    trial.create_topics()
    trial.answered(ORDERS).write_config(kafka={"bootstrap": login, "client": LOGIN})
    options = trial.ask("topics acls", "--principal", PRINCIPAL, "--json")
    assert options.returncode == 0, options.stderr
    client = AdminClient({"bootstrap.servers": bootstrap})
    yield GuardedBroker(trial, client, list(bindings(json.loads(options.stdout)["commands"])))
    forbid(client)


def allow(client: AdminClient, rights: list[AclBinding]) -> None:
    for future in client.create_acls(rights).values():
        future.result(30)


def forbid(client: AdminClient) -> None:
    """Take every right away."""
    pattern, operation = ResourcePatternType.ANY, AclOperation.ANY
    anybody: Any = None  # the client's stubs know no such filter
    every = AclBindingFilter(ResourceType.ANY, anybody, pattern, anybody, anybody, operation, AclPermissionType.ANY)
    for future in client.delete_acls([every]).values():
        future.result(30)


def test_the_listed_rights_run_a_trial_and_forbid_writing_to_production(one: GuardedBroker) -> None:
    allow(one.client, one.rights)
    one.trial.play("run", "join", "judge")
    assert one.trial.outcomes() == {"match": ORDERS}
    for role in ("run", "join", "judge"):
        assert "production_writable" not in one.trial.log_text(role)


def test_a_right_that_lacks_is_named_before_anything_is_written(one: GuardedBroker) -> None:
    trial = one.trial
    # Who may read may describe.
    for lacks in (
        right for right in one.rights if right.operation is not AclOperation.DESCRIBE or right.restype is GROUP
    ):
        allow(one.client, [right for right in one.rights if right is not lacks])
        # The joiner need not ask for production's group: until the runner could it waits for the start.
        roles = ("run",) if lacks.name == trial.group else ("run", "join")
        for role, code, _, message in endings(trial, *roles):
            options = f"without {lacks.operation} on {lacks.restype} {lacks.name}: {role} {code}: {message}"
            assert "`shadowstream topics acls`" in message, options
            assert code == (2 if lacks.name in (trial.input, trial.output) else 1), options
        forbid(one.client)
    assert [read_all(trial.bootstrap, trial.topic(kind)) for kind in WRITTEN] == [[]] * len(WRITTEN)
