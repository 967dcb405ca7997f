"""The doctor's check at the start of a role: its rights are proven, and the trial's topics are the trial's own."""

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config, Principal
from shadowstream.errors import ConfigError
from shadowstream.kafka.doctor.finding import Severity
from shadowstream.kafka.doctor.foreign_records import foreign_findings
from shadowstream.kafka.doctor.proof_of_rights import rights_findings
from shadowstream.kafka.trial.topic_admin import planned
from shadowstream.logs import get_logger

log = get_logger("doctor")
SHOWN_MAX = 5


def check(client: AdminClient, config: Config, principal: Principal, counts: dict[str, int]) -> None:
    """Raise `ConfigError` for a finding that refuses the start; log a reason for which proof is not required.

    `counts`: partitions of the topics that are only read. Raises `BrokerError` while a broker does not know a topic of
    the trial, which was created just now.
    """
    found = rights_findings(client, config, principal, [spec.name for spec in planned(config, counts)])
    found = (
        found
        if any(one.severity == Severity.REFUSE for one in found)
        else [*found, *foreign_findings(client, config, principal)]
    )
    refused = [finding for finding in found if finding.severity == Severity.REFUSE]
    for finding in found:
        if finding.severity != Severity.REFUSE:
            log.info("rights_unproven", reason=finding.text)
    if refused:
        more = f"\nand {len(refused) - SHOWN_MAX} more; " if len(refused) > SHOWN_MAX else "\n"
        lines = "\n".join(f"{finding.check}: {finding}" for finding in refused[:SHOWN_MAX])
        raise ConfigError(
            f"{lines}{more}`shadowstream doctor --role {principal}` lists all, `shadowstream topics acls` prints the "
            "rights that the trial needs"
        )
