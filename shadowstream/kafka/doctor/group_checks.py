"""Checks of consumer groups by the doctor: members of other programs, in the trial's groups and in production's."""

from collections.abc import Collection, Iterator

from confluent_kafka.admin import AdminClient

from shadowstream.config import PRINCIPALS, Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import CLIENT_ID
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.granted import visible_groups

_FAUST = "faust"
"""Beginning of the client id of the alerts role's client."""


def own_client_ids(config: Config) -> set[str]:
    """Return the client ids of the trial's roles, given the config with the properties of all principals."""
    return {str(config.kafka.client_of(principal).get("client.id", CLIENT_ID)) for principal in PRINCIPALS}


def group_findings(client: AdminClient, config: Config, own_ids: Collection[str]) -> Iterator[Finding]:
    """Yield members of other programs. The client: the operator's. Raises `BrokerError`."""
    prefix, group = config.plan.prefix, config.production.group
    names = [name for name in visible_groups(client) if name.startswith(prefix) or name == group]
    with translated_errors("describe_groups"):
        asked = client.describe_consumer_groups(names, request_timeout=offsets.TIMEOUT_S) if names else {}
        found = {name: future.result(offsets.TIMEOUT_S) for name, future in asked.items()}
    for name, described in found.items():
        for member in described.members:
            reads = {place.topic for place in (member.assignment.topic_partitions if member.assignment else ())}
            who = f"client id {member.client_id}, host {member.host.lstrip('/')}"
            fix = f"stop that program, or give it a group of its own ({who})"
            is_own = member.client_id in own_ids or str(member.client_id).startswith(_FAUST)
            if name != group and not is_own:
                text = f"a member of group {name} is not of this trial: it takes partitions that a role should read"
                yield Finding("groups", Severity.WARN, text, who, fix)
            elif name == group and reads and not reads & {*config.inputs}:
                text = f"a member of production.group {name} reads none of the inputs: {', '.join(sorted(reads))}"
                yield Finding("groups", Severity.WARN, text, who, f"add its topics to inputs, or {fix}")
    if group is not None and not (found[group].members if group in found else ()):
        text = f"production.group {group} has no members: production does not run, or does not use this group"
        yield Finding("groups", Severity.NOTE, text, "", "start production, or correct production.group")
