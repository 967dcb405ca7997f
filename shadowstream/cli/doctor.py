"""`doctor`: what the brokers allow each role, and whether the cluster fits the trial; each finding with its fix."""

from collections.abc import Collection
from typing import Annotated

import typer
from rich.table import Table

from shadowstream.cli.acls import role_named
from shadowstream.cli.output import ConfigPath, ExitCode, Json, cell, console, put_json, say
from shadowstream.config import Config, Principal
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.doctor.cluster_checks import sample_findings, topic_findings
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.foreign_records import foreign_findings
from shadowstream.kafka.doctor.group_checks import group_findings, own_client_ids
from shadowstream.kafka.doctor.least_rights import principals_of
from shadowstream.kafka.doctor.proof_of_rights import rights_findings, user_of
from shadowstream.kafka.doctor.transaction_checks import held_findings, right_findings

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
        console().print(_table(found))
    refused = sum(finding.severity == Severity.REFUSE for _, finding in found)
    say(f"{len(found)} findings; {refused} refuse a start; asked with the credentials of {', '.join(roles)}")
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
        found += foreign_findings(client, acting, role, existing)
        found += right_findings(acting, role, user_of(acting))
        if role == "operator":
            found += topic_findings(client, acting)
            found += group_findings(client, acting, own_ids)
            found += held_findings(client, acting)
        if role == "runner":
            found += sample_findings(client, acting)
    except ConfigError as error:
        return [Finding("config", Severity.REFUSE, str(error))]
    return found


def _table(found: list[tuple[Principal, Finding]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("role", "check", "severity", "finding", "fix"):
        table.add_column(title, overflow="fold")
    for role, finding in found:
        evidence = f" ({finding.evidence})" if finding.evidence else ""
        texts = (role, finding.check)
        severity = cell(finding.severity, _STYLES[finding.severity])
        table.add_row(*map(cell, texts), severity, cell(finding.text + evidence), cell(finding.fix))
    return table
