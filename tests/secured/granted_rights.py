"""The rights that lines of `kafka-acls` give, for a client that adds or removes them as the tool does."""

import argparse
import shlex
from collections.abc import Iterable, Iterator

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.secured.secured_kafka import SecuredKafka

TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
CAMEL = {"DescribeConfigs": "DESCRIBE_CONFIGS", "AlterConfigs": "ALTER_CONFIGS"}


def bindings(commands: Iterable[str]) -> Iterator[AclBinding]:
    """Return the rights that these lines add or remove."""
    words = argparse.ArgumentParser()
    for option in ("--bootstrap-server", "--allow-principal", "--resource-pattern-type"):
        words.add_argument(option)
    for switch in ("--add", "--remove", "--force"):
        words.add_argument(switch, action="store_true")
    words.add_argument("--operation", action="append")
    words.add_argument("--cluster", action="store_const", const="kafka-cluster")
    for option in TYPES.keys() - {"cluster"}:
        words.add_argument(f"--{option.replace('_', '-')}")
    for command in commands:
        options = words.parse_args(shlex.split(command, comments=True)[1:])
        pattern = ResourcePatternType[(options.resource_pattern_type or "literal").upper()]
        kind, name = next((TYPES[option], getattr(options, option)) for option in TYPES if getattr(options, option))
        for operation in options.operation:
            allowed = AclOperation[CAMEL.get(operation, operation.upper())], AclPermissionType.ALLOW
            yield AclBinding(kind, name, pattern, options.allow_principal, "*", *allowed)


def run_line(secured: SecuredKafka, command: str) -> None:
    """Do as the printed command says."""
    for one in bindings([command]):
        if " --add " in command:
            secured.allow([one])
        else:
            secured.withdraw(one)
