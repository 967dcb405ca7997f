"""`up`: all roles as supervised processes, and the status of the trial beside them."""

import os
import sys
from typing import Annotated

import typer

from shadowstream.child_processes import module_command
from shadowstream.cli import live
from shadowstream.cli.answer import Question
from shadowstream.cli.output import ConfigPath, ExitCode, Json, say
from shadowstream.cli.roles import COMMANDS, Listen, stop_on_signals
from shadowstream.cli.status import Watch
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import Stoppable, admin
from shadowstream.kafka.client.errors import is_unreachable
from shadowstream.kafka.outage_log import OutageLog
from shadowstream.kafka.ownership import SESSION, begin_session
from shadowstream.kafka.role_report import Report
from shadowstream.kafka.supervisor import BACK_OFF_S, Supervisor
from shadowstream.kafka.trial import bound_topics, topic_admin
from shadowstream.logs import get_logger
from shadowstream.revision import revision_of
from shadowstream.web.probes import split
from shadowstream.worker.confinement import hide_process

log = get_logger("up")
CONNECT_S = 2.0
"""Time for which `up` waits for one answer of a broker; it handles Ctrl-C between two waits."""
MAX_AGE_MS = 3_600_000
"""Oldest verdict that its status shows as the answer of the gate, the default of `gate` too."""


WebAddress = Annotated[
    str | None, typer.Option("--web", metavar="HOST:PORT", help="show the live page there too", show_default=False)
]


def up(
    context: typer.Context, config: ConfigPath, listen: Listen = None, web: WebAddress = None, as_json: Json = False
) -> int:
    """Run all roles here as supervised processes, until all are done (bounded) or Ctrl-C.

    With --listen the roles serve on that port and the ones after it, in the order runner, joiner, judge, labels,
    alerts. The labels role runs where the config names labels, the alerts role where it names a channel. Where alerts
    cannot run, the others run without it. With --web the live page is one more process; its end ends no role.
    """
    hide_process()
    trial = load(config)
    revision = revision_of(trial)  # reports a missing candidate once, instead of once a role
    stop = stop_on_signals()
    session = begin(trial.acting_as("operator"), stop)
    if session is None:
        return ExitCode.OK
    stop.begin()
    commands = _commands(context, trial, config, listen, as_json)
    if web is not None:
        commands["web"] = web_command(config, web, context.find_root().params["log_level"])
    # A trial without alerts still collects evidence; so a failed alerts role does not end the others.
    watch = Watch(Question(trial.acting_as("operator"), revision, MAX_AGE_MS))
    with live.beside(watch.look, in_place=sys.stderr.isatty() and not as_json) as streams:
        supervisor = Supervisor(
            commands, {**os.environ, SESSION: session}, spared=["alerts"], streams=streams, beside=["web"]
        )
        well = supervisor.run(lambda: stop.stopped)
    failed = [child for child in supervisor.children.values() if child.failed and not child.spared]
    if failed and all(child.final == Report.TAKEN_OVER for child in failed):
        say(f"error: {failed[0].final_text}")
        return ExitCode.TAKEN_OVER
    if failed:
        say(f"error: {', '.join(child.name for child in failed)} ended for good; its own message stands above")
        return ExitCode.USAGE
    return ExitCode.OK if well or stop.stopped else ExitCode.BROKE


def _commands(
    context: typer.Context, trial: Config, path: str, listen: str | None, as_json: bool
) -> dict[str, list[str]]:
    """The command lines of the roles of a trial, by their first words."""
    roles = [[command] for command in COMMANDS]
    roles += [["labels"]] if trial.labels else []
    if trial.alerts.targets and trial.alerts_problem is not None:
        log.error("alerts_left_out", problem=trial.alerts_problem)
    elif trial.alerts.targets:
        roles.append(["alerts", "run"])
    commands = {}
    for i, command in enumerate(roles):
        flags = ["--json"] if as_json else []
        if listen:
            host, port = split(listen)
            flags += ["--listen", f"{host}:{port + i if port else 0}"]
        level = ["--log-level", context.find_root().params["log_level"]]
        commands[command[0]] = module_command("shadowstream", *level, *command, path, *flags)
    return commands


def web_command(path: str, address: str, log_level: str) -> list[str]:
    """The command line of the live page of a trial. Raises `ConfigError` for an address that is not HOST:PORT."""
    split(address)
    return module_command("shadowstream", "--log-level", log_level, "web", path, "--listen", address)


def begin(trial: Config, stop: Stoppable) -> str | None:
    """Begin the session of an `up` once a broker answers; None if it was stopped before that."""
    outage = OutageLog()
    wait_s = iter(BACK_OFF_S)
    while not stop.stopped:
        try:
            client = admin(trial.kafka, CONNECT_S)
            bound_topics.check(trial, client)
            topic_admin.source_counts(client, trial)
            return begin_session(trial, client)
        except BrokerError as error:
            if not is_unreachable(error):
                raise
            outage.seen(str(error))
            stop.wait(next(wait_s, BACK_OFF_S[-1]))
    return None
