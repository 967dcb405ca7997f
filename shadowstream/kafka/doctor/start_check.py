"""The doctor's check at the start of a role: its rights are proven, and the trial's topics are the trial's own."""

from collections.abc import Mapping, Sequence

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config, Principal
from shadowstream.errors import ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.foreign_records import foreign_findings
from shadowstream.kafka.doctor.granted import cluster_rights
from shadowstream.kafka.doctor.proof_of_rights import created_findings, may_create, rights_findings
from shadowstream.kafka.trial import topic_admin
from shadowstream.logs import get_logger
from shadowstream.topics import TopicSpec

log = get_logger("doctor")
SHOWN_MAX = 5


def ensure_topics(client: AdminClient, config: Config, principal: Principal) -> dict[str, int]:
    """Prove the start of a role, then create the missing topics; return the counts of the topics that are only read.

    A refused start has created nothing. Where an authorizer proves the rights, a role creates a topic only if its least
    rights include that; one that has all roles' rights (`isolation.roles: shared`) is asked again for what it has
    created, since a right on a name shows only once the topic exists. Raises `ConfigError` for a finding that refuses
    the start, and `BrokerError`.
    """
    existing = offsets.existing(client)
    sources = topic_admin.source_counts_in(existing, config)
    specs = topic_admin.planned(config, sources)
    topic_admin.refuse_miscounted(specs, existing)
    _check(client, config, principal, specs, existing)
    missing = [spec for spec in specs if spec.name not in existing]
    if missing:
        is_proven = not cluster_rights(client).is_unproven
        if is_proven and not all(may_create(config, principal, spec.name) for spec in missing):
            raise ConfigError(
                f"{len(missing)} topics of the trial do not exist, {missing[0].name} among them, and the {principal} "
                "may not create them; run `shadowstream topics apply` with the operator's credentials first"
            )
        topic_admin.create(client, missing)
        if is_proven:
            _refuse(created_findings(client, config, principal, [spec.name for spec in missing]), principal)
    # Another role may have created the existing ones just now.
    topic_admin.await_leaders(client, [spec for spec in specs if spec.name in existing])
    return sources


def _check(
    client: AdminClient, config: Config, principal: Principal, specs: Sequence[TopicSpec], existing: Mapping[str, int]
) -> None:
    """Raise `ConfigError` for a finding that refuses the start; log a reason for which proof is not required."""
    found = rights_findings(client, config, principal, existing, [spec.name for spec in specs])
    _refuse(found, principal)
    found = [*found, *foreign_findings(client, config, principal, existing)]
    _refuse(found, principal)
    for finding in found:
        log.info("rights_unproven", reason=finding.text)


def _refuse(found: Sequence[Finding], principal: Principal) -> None:
    refused = [finding for finding in found if finding.severity == Severity.REFUSE]
    if refused:
        more = f"\nand {len(refused) - SHOWN_MAX} more; " if len(refused) > SHOWN_MAX else "\n"
        lines = "\n".join(f"{finding.check}: {finding}" for finding in refused[:SHOWN_MAX])
        raise ConfigError(
            f"{lines}{more}`shadowstream doctor --role {principal}` lists all, `shadowstream topics acls` prints the "
            "rights that the trial needs"
        )
