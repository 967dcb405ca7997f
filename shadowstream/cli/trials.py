"""`list`: the trials on a cluster."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from shadowstream.cli.answer import READ_TIMEOUT_S
from shadowstream.cli.output import Json, cell, console, new_table, put_json, say
from shadowstream.config import Kafka
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.judge.utc_text import utc_text
from shadowstream.kafka.trial.trials import TrialOnCluster, trials_on

if TYPE_CHECKING:
    from rich.table import Table


def register(app: typer.Typer) -> None:
    app.command("list")(list_trials)


def list_trials(
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="a trial's YAML file, for its cluster and client settings")
    ] = None,
    bootstrap: Annotated[str | None, typer.Option(help="the cluster's address, instead of a config")] = None,
    as_json: Json = False,
) -> None:
    """Show the trials on a cluster: last verdict, its time and revision, topics, and the roles that run."""
    if (config is None) == (bootstrap is None):
        raise ConfigError("give a config or --bootstrap HOST:PORT, and not both")
    kafka = Kafka(bootstrap=bootstrap) if bootstrap is not None else load(str(config)).acting_as("reader").kafka
    found = trials_on(kafka, READ_TIMEOUT_S)
    if as_json:
        for one in found:
            put_json(_row(one))
        return
    if found:
        console().print(_table(found))
    say(f"{len(found)} trials at {kafka.bootstrap}")


def _row(one: TrialOnCluster) -> dict[str, Any]:
    return {
        "name": one.name, "topics": one.topics, "roles": list(one.roles), "decision": one.decision,
        "revision": one.revision, "evaluated_at_ms": one.evaluated_at_ms,
    }  # fmt: skip


def _table(found: list[TrialOnCluster]) -> "Table":
    table = new_table()
    for title in ("trial", "last verdict", "made (UTC)", "revision", "topics", "running"):
        table.add_column(title, overflow="fold")
    for one in found:
        made = "-" if one.evaluated_at_ms is None else utc_text(one.evaluated_at_ms)
        decision = "-" if one.decision is None else one.decision.replace("_", " ")
        words = (one.name, decision, made, (one.revision or "-")[:16], str(one.topics), ", ".join(one.roles) or "-")
        table.add_row(*map(cell, words))
    return table
