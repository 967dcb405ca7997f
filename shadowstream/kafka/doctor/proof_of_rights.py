"""Proof of rights: a principal may do all that it needs, and may write, delete or alter nothing else.

The brokers answer for the credentials of the process that asks. Nothing is written.
"""

from collections.abc import Collection

from confluent_kafka.admin import AdminClient

from shadowstream.config import PRINCIPALS, Config, Principal
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.granted import (
    EVERYTHING,
    Operations,
    cluster_rights,
    group_rights,
    topic_rights,
    visible_groups,
)
from shadowstream.kafka.doctor.least_rights import (
    CLUSTER,
    Operation,
    Resource,
    Right,
    acl_line,
    merged,
    needed,
    rights_of,
)
from shadowstream.kafka.trial.topic_admin import sources_of

TOPIC_HARM = frozenset({Operation.WRITE, Operation.DELETE, Operation.ALTER, Operation.ALTER_CONFIGS, Operation.CREATE})
"""Operations on a topic that change it or its records."""
GROUP_HARM = frozenset({Operation.READ, Operation.DELETE})
"""Operations on a group that commit or remove its offsets."""


def rights_findings(
    client: AdminClient, config: Config, principal: Principal, existing: Collection[str], planned: Collection[str] = ()
) -> list[Finding]:
    """Return the rights that a principal lacks or must not have. Raises `BrokerError`.

    `existing`: topics that the cluster shows. `planned`: those of the trial; some may exist unseen. A topic
    that does not exist has no rights: `created_findings` asks for them once it was created.
    """
    cluster = cluster_rights(client)
    if cluster.is_unproven:
        return [_unproven(config, is_loopback=cluster.is_loopback)]
    found = _Asked(config, principal)
    found.cluster(cluster.operations)
    for topic, operations in topic_rights(client, [*sources_of(config), *existing], planned).items():
        found.topic(topic, operations)
    groups = [f"{right.name}0" if right.is_prefix else right.name for right in found.groups]
    for group, operations in group_rights(client, [*groups, *visible_groups(client)]).items():
        found.group(group, operations)
    return found.findings


def created_findings(
    client: AdminClient, config: Config, principal: Principal, created: Collection[str]
) -> list[Finding]:
    """Return the rights on topics that were created just now which a principal lacks or must not have."""
    found = _Asked(config, principal)
    for topic, operations in topic_rights(client, created).items():
        found.topic(topic, operations)
    return found.findings


def may_create(config: Config, principal: Principal, topic: str) -> bool:
    """Whether the least rights of a principal include the creation of a topic."""
    return Operation.CREATE in needed(_Asked(config, principal).rights, Resource.TOPIC, topic)


def _unproven(config: Config, *, is_loopback: bool) -> Finding:
    text = "the brokers allow this principal everything, on production's topics and groups too: isolation cannot be "
    text += "proven, only shadowstream's own checks guarantee it"
    evidence = "no authorizer is configured, or the principal is a super user"
    if config.isolation.unproven == "accept":
        return Finding("rights", Severity.NOTE, f"{text}; isolation.unproven: accept accepts that", evidence)
    if is_loopback:
        return Finding("rights", Severity.NOTE, f"{text}; accepted for a broker on this machine", evidence)
    fix = "set an authorizer and grant what `shadowstream topics acls` prints, or accept it by isolation: "
    return Finding("rights", Severity.REFUSE, text, evidence, fix + "{unproven: accept}, which every verdict shows")


def user_of(config: Config) -> str:
    """Return the user of this process's credentials for a printed line, as far as the config shows it."""
    username = config.kafka.client.get("sasl.username") or config.kafka.client.get("sasl.oauthbearer.client.id")
    return f"User:{username}" if username else "User:<principal>"


class _Asked:
    """Findings about one principal's rights. `rights`: the least ones."""

    def __init__(self, config: Config, principal: Principal) -> None:
        self._config, self._principal = config, principal
        self._is_shared = config.isolation.roles == "shared"
        several = PRINCIPALS if self._is_shared else [principal]
        self.rights = merged(right for one in several for right in rights_of(config, one))
        self._own = merged(rights_of(config, principal))
        self.findings: list[Finding] = []
        self._user = user_of(config)

    @property
    def groups(self) -> list[Right]:
        return [right for right in self.rights if right.resource == Resource.GROUP]

    def cluster(self, allowed: Operations) -> None:
        self._lack(Resource.CLUSTER, CLUSTER, allowed)
        self.excess(Resource.CLUSTER, CLUSTER, allowed & EVERYTHING)

    def topic(self, topic: str, allowed: Operations) -> None:
        self._lack(Resource.TOPIC, topic, allowed)
        self.excess(Resource.TOPIC, topic, allowed & TOPIC_HARM)

    def group(self, group: str, allowed: Operations) -> None:
        self._lack(Resource.GROUP, group, allowed)
        if not group.startswith(self._config.plan.prefix):
            self.excess(Resource.GROUP, group, allowed & GROUP_HARM)

    def _lack(self, resource: Resource, name: str, allowed: Operations) -> None:
        for right in self._own:
            lacking = [operation for operation in right.operations if operation not in allowed]
            if right.covers(resource, name) and lacking:
                whole = Right(right.resource, right.name, tuple(lacking), right.is_prefix)
                fix = acl_line(self._config.kafka.bootstrap, self._user, whole)
                named = ", ".join(lacking)
                self._add(Finding("rights", Severity.REFUSE, f"{named} on {resource} {name} is missing", "", fix))

    def excess(self, resource: Resource, name: str, harm: Operations) -> None:
        """Add a finding if operations that do harm are allowed and not needed."""
        extra = harm - needed(self.rights, resource, name)
        if not extra:
            return
        place = f"{resource} {name}".rstrip()
        within = name.startswith(self._config.plan.prefix)
        named = ", ".join(sorted(extra))
        text = f"{named} on {place} is allowed, and the {self._principal} must not have it"
        why = "it is one of the trial's topics, and another role's" if within else "it is not the trial's"
        right = Right(resource, name, tuple(sorted(extra)))
        fix = acl_line(self._config.kafka.bootstrap, self._user, right, remove=True)
        self._add(Finding("rights", Severity.REFUSE, text, why, fix))

    def _add(self, finding: Finding) -> None:
        if (finding.text, finding.fix) not in {(one.text, one.fix) for one in self.findings}:
            self.findings.append(finding)
