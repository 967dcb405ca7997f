"""The least rights of each principal of a trial: the judged has none over the judge.

The runner calls the candidate. So it writes the candidate's outputs and the runner's own marks, state and dead letters,
and nothing that decides: no statistics, no verdict, and no commands, which are for people.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shadowstream.config import PRINCIPALS, Config, Principal
from shadowstream.kafka.trial.topic_admin import sources_of


class Operation(StrEnum):
    """An operation of Kafka's ACLs that a trial needs, or that nothing of a trial may have. Values as in kafka-acls."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DELETE = "Delete"
    ALTER = "Alter"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    ALTER_CONFIGS = "AlterConfigs"
    CLUSTER_ACTION = "ClusterAction"
    IDEMPOTENT_WRITE = "IdempotentWrite"


class Resource(StrEnum):
    """A kind of resource of Kafka's ACLs. Values as the options of kafka-acls."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Right:
    """Operations on a resource. `is_prefix`: on every resource whose name begins with `name`."""

    resource: Resource
    name: str
    operations: tuple[Operation, ...]
    is_prefix: bool = False

    def covers(self, resource: Resource, name: str) -> bool:
        return resource == self.resource and (name.startswith(self.name) if self.is_prefix else name == self.name)

    def words(self) -> list[str]:
        """Return the right as arguments of kafka-acls.

        >>> Right(Resource.TOPIC, "shadow.a.", (Operation.DESCRIBE,), True).words()
        ['--operation', 'Describe', '--topic', 'shadow.a.', '--resource-pattern-type', 'prefixed']
        """
        operations = [word for operation in self.operations for word in ("--operation", str(operation))]
        named = [f"--{self.resource}", *([] if self.resource == Resource.CLUSTER else [self.name])]
        return [*operations, *named, *(["--resource-pattern-type", "prefixed"] if self.is_prefix else [])]


def acl_line(bootstrap: str, principal: str, right: Right, *, remove: bool = False) -> str:
    """Return the kafka-acls command that grants a right, or takes it away."""
    change = ["--remove", "--force"] if remove else ["--add"]
    words = ["kafka-acls", "--bootstrap-server", bootstrap, *change, "--allow-principal", principal, *right.words()]
    return shlex.join(words)


CLUSTER = "kafka-cluster"
"""Name of the only resource of the kind cluster."""
READ, DESCRIBE, WRITE = (Operation.READ,), (Operation.DESCRIBE,), (Operation.WRITE,)
_READS: Mapping[Principal, str] = {
    "runner": "starts progress runner-state attempts rechecks",
    "joiner": "starts progress state diff stats second-answers",
    "judge": "starts stats judge-state audit commands",
    "labels": "starts scored labels-state",
    "alerts": "starts drift verdict deliveries commands diff",
    "operator": "starts progress diff diff.json stats judge-state drift verdict audit commands deliveries "
    "dlq.runner dlq.joiner",
    "reader": "starts progress diff diff.json stats judge-state drift verdict audit commands deliveries "
    "dlq.runner dlq.joiner",
}
"""Topics of the trial that each principal reads, beside the candidate's outputs and the copies."""
_WRITES: Mapping[Principal, str] = {
    "runner": "progress starts runner-state attempts second-answers dlq.runner",
    "joiner": "diff diff.json stats state scored rechecks dlq.joiner",
    "judge": "drift verdict audit judge-state",
    "labels": "stats labels-state",
    "alerts": "deliveries",
    "operator": "commands",
    "reader": "",
}
"""Topics of the trial that each principal writes, beside the candidate's outputs and the copies."""
_SIDES: Mapping[Principal, tuple[str, ...]] = {
    "runner": ("input", "production", "candidate", "twin"),
    "joiner": ("input", "production", "candidate", "twin"),
    "labels": ("labels",),
}
"""Sides whose topics each principal reads; it only describes the others."""
WITH_GROUP = ("runner", "joiner", "labels", "judge", "alerts")


def principals_of(config: Config) -> list[Principal]:
    """Return the principals that a trial has: no labels role without labels, no alerts role without a webhook."""
    absent = {"labels"} if config.labels is None else set[str]()
    absent |= set() if config.alerts.targets else {"alerts"}
    return [principal for principal in PRINCIPALS if principal not in absent]


def rights_of(config: Config, principal: Principal) -> list[Right]:
    """Return the least rights of one principal.

    Describe on the cluster is for the proof: without it the brokers do not show the rights on the cluster.
    """
    return [*_topics(config, principal), *_groups(config, principal), Right(Resource.CLUSTER, CLUSTER, DESCRIBE)]


def _topics(config: Config, principal: Principal) -> Iterator[Right]:
    plan, topic, sides = config.plan, Resource.TOPIC, _SIDES.get(principal, ())
    for name, side in sources_of(config).items():
        claims = principal == "operator" and name == config.inputs[0]  # `up` commits its session there
        looks = principal == "operator" or (principal == "joiner" and side in sides)
        configs = (Operation.DESCRIBE_CONFIGS,) if looks else ()
        yield Right(topic, name, (*(READ if side in sides or claims else DESCRIBE), *configs))
    # Names and offsets of the trial's topics. The operator makes (`topics apply`) and removes them (`down`); who may
    # delete may describe.
    makes = (Operation.CREATE, Operation.DELETE, Operation.DESCRIBE_CONFIGS)
    yield Right(topic, plan.prefix, makes if principal == "operator" else DESCRIBE, is_prefix=True)
    reads, writes = set(_READS[principal].split()), set(_WRITES[principal].split())
    reads |= {"commands"} if principal == "runner" and config.candidate.topic is None else set()
    reads |= {"verdict"} if principal == "runner" and config.until == "decision" else set()
    for kind in sorted(reads | writes):
        if _is_planned(config, kind):
            operations = (*(READ if kind in reads else ()), *(WRITE if kind in writes else ()))
            yield Right(topic, plan.of(kind), operations)
    for output in config.production.outputs:
        if principal == "runner":
            yield Right(topic, plan.out(output), (*READ, *WRITE))
            yield Right(topic, plan.repartition(output), (*READ, *WRITE, Operation.CREATE))
        elif principal == "joiner":
            for copied in (plan.out(output), plan.repartition(output)):
                yield Right(topic, copied, (*READ, Operation.DESCRIBE_CONFIGS))


def _is_planned(config: Config, kind: str) -> bool:
    """Whether the trial has a topic of this kind."""
    if kind in ("scored", "labels-state"):
        return config.labels is not None
    if kind in ("rechecks", "second-answers"):
        return config.candidate.rechecks
    if kind in ("runner-state", "attempts"):
        return config.candidate.topic is None
    return kind != "diff.json" or config.compare.diff_json


def _groups(config: Config, principal: Principal) -> Iterator[Right]:
    plan, group = config.plan, Resource.GROUP
    groups = [config.production.group, config.candidate.group, config.twin and config.twin.group]
    yield from (Right(group, name, DESCRIBE) for name in groups if name)
    # Readers that commit nothing have groups of other names; their client looks for a coordinator all the same.
    yield Right(group, plan.prefix, (Operation.DELETE,) if principal == "operator" else DESCRIBE, is_prefix=True)
    if principal in WITH_GROUP:
        yield Right(group, plan.group(principal), READ, is_prefix=True)
        yield Right(group, plan.group(f"owner.{principal}."), READ, is_prefix=True)
        if principal != "alerts":
            yield Right(Resource.TRANSACTIONAL_ID, plan.group(principal), WRITE, is_prefix=True)
    elif principal == "operator":
        yield Right(group, plan.group("owner.up"), READ)
    else:
        yield Right(group, plan.group("sub."), READ, is_prefix=True)


def merged(rights: Iterable[Right]) -> list[Right]:
    """Return rights with one entry a resource, for a principal that is several."""
    found: dict[tuple[Resource, str, bool], dict[Operation, None]] = {}
    for right in rights:
        found.setdefault((right.resource, right.name, right.is_prefix), {}).update(dict.fromkeys(right.operations))
    return [Right(resource, name, tuple(ops), prefix) for (resource, name, prefix), ops in found.items()]


def needed(rights: Sequence[Right], resource: Resource, name: str) -> frozenset[Operation]:
    """Return the operations that rights give on one resource, those that others imply among them."""
    given = {operation for right in rights if right.covers(resource, name) for operation in right.operations}
    implied = {Operation.DESCRIBE} if given & {Operation.READ, Operation.WRITE, Operation.DELETE} else set()
    return frozenset(given | implied)
