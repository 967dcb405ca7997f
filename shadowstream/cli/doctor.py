"""`doctor`: what the brokers allow each role, and whether the cluster fits the trial; each finding with its fix."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from shadowstream.cli.acls import role_named
from shadowstream.cli.output import ConfigPath, ExitCode, Json, cell, put_json, put_rows, say
from shadowstream.config import Config, Principal
from shadowstream.configfile import load
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.doctor.cluster_checks import sample_findings, topic_findings
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.foreign_records import foreign_findings
from shadowstream.kafka.doctor.group_checks import group_findings, own_client_ids
from shadowstream.kafka.doctor.least_rights import principals_of
from shadowstream.kafka.doctor.proof_of_rights import rights_findings, user_of
from shadowstream.kafka.doctor.transaction_checks import held_findings, right_findings

if TYPE_CHECKING:
    from rich.text import Text

ASK_AGAIN = "run `shadowstream doctor` again once every partition has a leader and the brokers answer"
TITLES = ("role", "check", "severity", "finding", "fix")
_STYLES = {Severity.REFUSE: "red", Severity.WARN: "yellow", Severity.NOTE: ""}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    config: ConfigPath,
    role: Annotated[list[str] | None, typer.Option(help="ask with this role's credentials only")] = None,
    as_json: Json = False,
) -> None:
    """Check rights and cluster with each role's credentials. Exit code 0, or 2 where a role would refuse to start.

    Writes no record. Each finding has a severity, its evidence, and the command that removes it.
    """
    trial = load(config)
    roles = [role_named(name, "--role") for name in role or ()] or principals_of(trial)
    own_ids = own_client_ids(trial)
    found = [(one, finding) for one in roles for finding in _of_role(trial, one, own_ids)]
    if as_json:
        for of, finding in found:
            put_json({"role": of, **finding.plain()})
    elif found:
        put_rows(TITLES, _rows(found), id_at=0)
    findings = {finding for _, finding in found}
    refused = sum(finding.severity == Severity.REFUSE for finding in findings)
    say(f"{len(findings)} findings; {refused} refuse a start; asked with the credentials of {', '.join(roles)}")
    if refused:
        raise typer.Exit(ExitCode.USAGE)


def _of_role(trial: Config, role: Principal, own_ids: Collection[str]) -> list[Finding]:
    """Findings by the credentials of a role; a missing topic or password is one too."""
    try:
        acting = trial.acting_as(role)
        client = admin(acting.kafka)
        existing = offsets.existing(client)
        found = rights_findings(client, acting, role, existing)
        if any(finding.severity == Severity.REFUSE for finding in found):
            return found
        checks: list[Callable[[], Iterable[Finding]]] = [
            lambda: foreign_findings(client, acting, role, existing),
            lambda: right_findings(acting, role, user_of(acting)),
        ]
        if role == "operator":
            checks += [
                lambda: topic_findings(client, acting),
                lambda: group_findings(client, acting, own_ids),
                lambda: held_findings(client, acting),
            ]
        if role == "runner":
            checks.append(lambda: sample_findings(client, acting))
        for check in checks:
            found += _answered(check)
    except ConfigError as error:
        return [Finding("config", Severity.REFUSE, str(error))]
    return found


def _answered(check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a check; one that the brokers do not answer is a finding, and the others are made."""
    try:
        yield from check()
    except BrokerError as error:
        yield Finding("unanswered", Severity.WARN, "the brokers did not answer a check", str(error), ASK_AGAIN)


def _rows(found: list[tuple[Principal, Finding]]) -> list[list["Text"]]:
    """Return a row for each finding, with all roles that have it."""
    roles: dict[Finding, list[str]] = {}
    for role, finding in found:
        roles.setdefault(finding, []).append(role)
    rows = []
    for finding, of in roles.items():
        evidence = f" ({finding.evidence})" if finding.evidence else ""
        severity = cell(finding.severity, _STYLES[finding.severity])
        texts = finding.text + evidence, finding.fix
        rows.append([cell(", ".join(of)), cell(finding.check), severity, *map(cell, texts)])
    return rows
