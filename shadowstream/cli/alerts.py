"""`alerts run`: the role that delivers. `alerts list`, `ack`, `mute`: open incidents, acknowledgements, mutes."""

import importlib
import os
from typing import TYPE_CHECKING, Annotated

import typer

from shadowstream import extras
from shadowstream.alerts.ledger import LedgerRow, acknowledge, mute, rows_of
from shadowstream.cli.durations import seconds_of
from shadowstream.cli.output import ConfigPath, Json, cell, put_json, put_or_say, put_rows, say
from shadowstream.cli.roles import Instance, Listen, play
from shadowstream.configfile import load
from shadowstream.health import RoleHealth
from shadowstream.judge.utc_text import utc_text

if TYPE_CHECKING:
    from rich.text import Text

TITLES = ("incident", "state", "since (UTC)", "revision", "acknowledged", "muted", "delivered", "what")
_alerts = typer.Typer(help="Deliver incidents and rejects; list, acknowledge and mute incidents.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    _alerts.command()(run)
    _alerts.command()(ack)
    _alerts.command("mute")(mute_)
    _alerts.command("list")(list_)
    app.add_typer(_alerts, name="alerts")


def run(config: ConfigPath, instance: Instance = "0", listen: Listen = None, as_json: Json = False) -> None:
    """Deliver each incident and each reject once, to the webhook and the log, until Ctrl-C (bounded: to the end)."""
    trial = load(config).acting_as("alerts")
    try:
        importlib.import_module("faust")  # not find_spec: Faust replaces itself by a module without a spec
    except ImportError as error:
        raise extras.missing("alerts", "`alerts run`", "faust") from error
    path = os.path.abspath(config)
    figures = play(RoleHealth(trial.name, "alerts"), "shadowstream.alerts.role", trial, instance, listen, path=path)
    text = f"alerts: {figures['delivered']} delivered, {figures['records']:,} records in {figures['wall_s']} s"
    put_or_say(figures, text, as_json=as_json)


def ack(
    config: ConfigPath,
    incident: Annotated[str, typer.Argument(help="id of the incident, as `alerts list` shows it", show_default=False)],
    by: Annotated[str, typer.Option(help="who acts on it", show_default=False)],
    reason: Annotated[str, typer.Option(help="why, or what is being done")] = "",
    as_json: Json = False,
) -> None:
    """Record who acts on an incident."""
    record = acknowledge(load(config).acting_as("operator"), incident, by, reason)
    put_or_say(record, f"{record['subject']}: acknowledged by {record['by']}", as_json=as_json)


def mute_(
    config: ConfigPath,
    incident: Annotated[str, typer.Argument(help="id of the incident, as `alerts list` shows it", show_default=False)],
    by: Annotated[str, typer.Option(help="who mutes it", show_default=False)],
    reason: Annotated[str, typer.Option(help="why")] = "",
    lasting: Annotated[
        str | None,
        typer.Option("--for", help="how long: seconds, or with s, m, h or d; 0 ends a mute; default: until it closes"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let the alerts of an incident rest; it stays open, and holds promote back, all the same."""
    lasting_ms = None if lasting is None else round(seconds_of("--for", lasting) * 1000)
    record = mute(load(config).acting_as("operator"), incident, by, reason, lasting_ms)
    until = "it closes" if record["until_ms"] is None else utc_text(record["until_ms"])
    put_or_say(record, f"{record['subject']}: muted by {record['by']} until {until}", as_json=as_json)


def list_(config: ConfigPath, as_json: Json = False) -> None:
    """Incidents, the oldest first: open or closed, acknowledged, delivered."""
    trial = load(config).acting_as("reader")
    rows = rows_of(trial)
    if as_json:
        for row in rows:
            put_json(row._asdict())
    elif rows:
        put_rows(TITLES, [_cells(row) for row in rows], id_at=0)
    still = sum(row.state == "open" for row in rows)
    say(f"{len(rows)} incidents, {still} open, in {trial.plan.of('drift')!r}")


def _cells(row: LedgerRow) -> list["Text"]:
    by = f"{row.acknowledged_by}: {row.ack_reason}" if row.ack_reason else row.acknowledged_by or "-"
    until = "" if row.muted_until_ms is None else f" until {utc_text(row.muted_until_ms)}"
    delivered = f"{row.delivered_to} {utc_text(row.delivered_at_ms)}" if row.delivered_at_ms is not None else "-"
    muted = f"{row.muted_by}{until}" if row.muted_by else "-"
    texts = (utc_text(row.since_ms), row.revision[:8], by, muted, delivered, row.text)
    return [cell(row.incident), cell(row.state, "red" if row.state == "open" else ""), *map(cell, texts)]
