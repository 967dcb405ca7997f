"""`topics acls`: the least rights of each role and principal, as kafka-acls commands or objects of Strimzi."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer
import yaml

from shadowstream.cli.output import ConfigPath, Json, put, put_json, say
from shadowstream.config import PRINCIPALS, Config, Principal
from shadowstream.configfile import load, nearest
from shadowstream.errors import ConfigError
from shadowstream.kafka.doctor.least_rights import Right, acl_line, merged, principals_of, rights_of
from shadowstream.kafka.doctor.quotas import Quota, quota_line, quota_of, total

Form = Literal["kafka-acls", "strimzi"]
Cluster = Annotated[str, typer.Option(help="strimzi: name of the Kafka object of the cluster")]
Grants = dict[str, tuple[list[Principal], list[Right]]]  # by user as the brokers know it: its roles and rights


def acls(
    config: ConfigPath,
    principal: Annotated[
        list[str],
        typer.Option(
            metavar="[ROLE=]User:NAME", help="who plays a role, as the brokers know it; without a role: all of them"
        ),
    ],
    role: Annotated[list[str] | None, typer.Option(help="print the rights of this role only")] = None,
    form: Annotated[Form, typer.Option("--format", help="kafka-acls commands, or objects of Strimzi")] = "kafka-acls",
    cluster: Cluster = "kafka",
    as_json: Json = False,
) -> None:
    """Print the least rights of each role and principal: to run this trial and touch nothing of production.

    Give each role a principal of its own: `--principal runner=User:a --principal joiner=User:b` and so on. A principal
    without a role has the rights of all roles, which needs isolation: {roles: shared}.
    """
    trial = load(config)
    wanted = [role_named(name, "--role") for name in role or ()] or principals_of(trial)
    users = _users(principal, wanted)
    found = granted(trial, users)
    if form == "strimzi":
        objects = [_kafka_user(trial, user, roles, rights, cluster) for user, (roles, rights) in found.items()]
        put(yaml.safe_dump_all(objects).rstrip())
    elif as_json:
        put_json({"trial": trial.name, "principals": [_plain(trial, user, *of) for user, of in found.items()]})
    else:
        for user, (roles, rights) in found.items():
            put(f"# {', '.join(roles)}: {user}")
            put("\n".join(acl_line(trial.kafka.bootstrap, user, right) for right in rights))
    if without := [name for name in wanted if name not in users]:
        say(f"no principal was given for {', '.join(without)}; add --principal {without[0]}=User:NAME")


def quotas(
    config: ConfigPath,
    principal: Annotated[
        list[str],
        typer.Option(
            metavar="[ROLE=]User:NAME", help="who plays a role, as the brokers know it; without a role: all of them"
        ),
    ],
    as_json: Json = False,
) -> None:
    """Print a client quota of each principal as kafka-configs commands, by limits.bytes_per_s: a runaway role cannot
    take more of a broker than that. An administrator runs them; nothing is changed here."""
    trial = load(config)
    users = _users(principal, principals_of(trial))
    found = [(user, of) for user, of in _quotas(trial, users).items()]
    if as_json:
        put_json({"trial": trial.name, "quotas": [{"principal": user, **asdict(of)} for user, of in found]})
        return
    for user, of in found:
        put(quota_line(trial.kafka.bootstrap, user, of))


def _quotas(trial: Config, users: Mapping[Principal, str]) -> dict[str, Quota]:
    roles: dict[str, list[Principal]] = {}
    for role, user in users.items():
        roles.setdefault(user, []).append(role)
    return {user: total(quota_of(trial, role) for role in of) for user, of in roles.items()}


def granted(trial: Config, users: Mapping[Principal, str]) -> Grants:
    """Return the least rights of each user, with one entry a resource."""
    found: Grants = {}
    for role, user in users.items():
        roles, rights = found.setdefault(user, ([], []))
        roles.append(role)
        rights[:] = merged([*rights, *rights_of(trial, role)])
    return found


def _users(given: Sequence[str], wanted: Sequence[Principal]) -> dict[Principal, str]:
    """Return the user of each wanted role; one that is given for a role wins over one for all."""
    for_all: str | None = None
    named: dict[Principal, str] = {}
    for option in given:
        name, equals, user = option.partition("=")
        is_named = bool(equals) and ":" not in name
        whole = user if is_named else option
        kind, colon, of_user = whole.partition(":")
        if not (kind and colon and of_user) or of_user == "*":
            raise ConfigError(f"--principal {option!r}: name one as the brokers know it, for example User:shadow")
        if is_named:
            named[role_named(name, f"--principal {option!r}")] = whole
        elif for_all is not None:
            raise ConfigError("--principal: give one without a role, or one for each role, for example runner=User:a")
        else:
            for_all = whole
    users = ((role, named.get(role, for_all)) for role in wanted)
    return {role: user for role, user in users if user is not None}


def role_named(name: str, option: str) -> Principal:
    found = next((role for role in PRINCIPALS if role == name), None)
    if found is None:
        raise ConfigError(f"{option}: {name!r} is no role; {nearest(name, PRINCIPALS)}")
    return found


def _plain(trial: Config, user: str, roles: Sequence[Principal], rights: Sequence[Right]) -> dict[str, Any]:
    commands = [acl_line(trial.kafka.bootstrap, user, right) for right in rights]
    return {"principal": user, "roles": list(roles), "commands": commands}


def object_name(name: str) -> str:
    """Return a name that Kubernetes accepts: lower case, and with a digest where that changes it.

    >>> object_name("shadow.fraud.out.scores"), object_name("shadow.fraud.out.Scores_1")
    ('shadow.fraud.out.scores', 'shadow.fraud.out.scores-1-2be48f0e')
    """
    plain = re.sub(r"[^a-z0-9.-]", "-", name.lower()).strip("-.")
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _user_name(user: str) -> str:
    """Return the name of a KafkaUser, which is the name by which the brokers know it."""
    name = user.partition(":")[2].removeprefix("CN=")
    if object_name(name) != name:
        raise ConfigError(f"--principal {user!r}: {name!r} cannot be the name of a KafkaUser; take --format kafka-acls")
    return name


_STRIMZI = {"transactional-id": "transactionalId"}


def _kafka_user(
    trial: Config, user: str, roles: Sequence[Principal], rights: Sequence[Right], cluster: str
) -> dict[str, Any]:
    """Return the KafkaUser object of a user; how it logs in is for the cluster's operator to add."""
    spec: dict[str, Any] = {}
    if trial.limits.bytes_per_s is not None:
        of = total(quota_of(trial, role) for role in roles)
        spec["quotas"] = {"consumerByteRate": of.consumer_byte_rate, "producerByteRate": of.producer_byte_rate}
    entries = [
        {
            "resource": {
                "type": _STRIMZI.get(right.resource, str(right.resource)),
                "name": right.name,
                "patternType": "prefix" if right.is_prefix else "literal",
            },
            "operations": [str(operation) for operation in right.operations],
            "host": "*",
        }
        for right in rights
    ]
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaUser",
        "metadata": {
            "name": _user_name(user),
            "labels": {"strimzi.io/cluster": cluster},
        },
        "spec": {"authorization": {"type": "simple", "acls": entries}, **spec},
    }
