"""`run`, `join`, `judge`, `labels`: one role in this process. `up`: all of them here, supervised."""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer

from shadowstream.cli.output import ConfigPath, ExitCode, Json, put_json, say
from shadowstream.configfile import load
from shadowstream.kafka.clients import Stoppable
from shadowstream.kafka.supervisor import Supervisor, end_with_supervisor
from shadowstream.observe import get_logger
from shadowstream.revision import revision_of
from shadowstream.watch import Watch
from shadowstream.web.probes import serve, split

Instance = Annotated[str, typer.Option(help="stable name of this process among those of its role")]
Listen = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="serve /metrics, /healthz and /readyz", show_default=False)
]
log = get_logger("up")
COMMANDS = {"run": "runner", "join": "joiner", "judge": "judge"}
"""Roles that every trial has."""


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (run, join, judge, labels, up):
        app.command()(command)


def run(config: ConfigPath, instance: Instance = "0", listen: Listen = None, as_json: Json = False) -> None:
    """Run the candidate on the inputs, in a group of its own, writing to the shadow topics.

    Where the candidate is a job of its own (candidate.topic), watch how far it is instead.
    """
    _play("runner", config, instance, listen, as_json)


def join(config: ConfigPath, instance: Instance = "0", listen: Listen = None, as_json: Json = False) -> None:
    """Pair production's outputs with the candidate's; write differences and statistics."""
    _play("joiner", config, instance, listen, as_json)


def judge(config: ConfigPath, instance: Instance = "0", listen: Listen = None, as_json: Json = False) -> None:
    """Judge the statistics: drift events and the verdict. One judge per trial; a second one takes over."""
    _play("judge", config, instance, listen, as_json)


def labels(config: ConfigPath, instance: Instance = "0", listen: Listen = None, as_json: Json = False) -> None:
    """Wait for late labels and score production and the candidate on the same records. One process per trial."""
    _play("labels", config, instance, listen, as_json)


def up(context: typer.Context, config: ConfigPath, listen: Listen = None, as_json: Json = False) -> int:
    """Run all roles here as supervised processes, until all are done (bounded) or Ctrl-C.

    With --listen the roles serve on that port and the ones after it, in the order runner, joiner, judge, labels,
    alerts. The labels role runs where the config names labels, the alerts role where it names a webhook. Where alerts
    cannot run the others go on without.
    """
    trial = load(config)
    stop = stop_on_signals()
    roles = [[command] for command in COMMANDS]
    roles += [["labels"]] if trial.labels else []
    if trial.alerts.webhook and trial.alerts_problem is not None:
        log.error("alerts_left_out", problem=trial.alerts_problem)
    elif trial.alerts.webhook:
        roles.append(["alerts", "run"])
    commands = {}
    for i, command in enumerate(roles):
        flags = ["--json"] if as_json else []
        if listen:
            host, port = split(listen)
            flags += ["--listen", f"{host}:{port + i if port else 0}"]
        level = ["--log-level", context.find_root().params["log_level"]]
        commands[command[0]] = [sys.executable, "-m", "shadowstream", *level, *command, config, *flags]
    # Whoever is told nothing can still look; without evidence there would be nothing to look at.
    supervisor = Supervisor(commands, spared=["alerts"])
    well = supervisor.run(lambda: stop.stopped)
    failed = [child.name for child in supervisor.children.values() if child.failed and not child.spared]
    if failed:
        say(f"error: {', '.join(failed)} ended for good; its own message stands above")
        return ExitCode.USAGE
    return ExitCode.OK if well or stop.stopped else ExitCode.BROKE


def stop_on_signals() -> Stoppable:
    """SIGTERM and SIGINT ask for the end after the next commit, and so does the end of a supervisor that started us."""
    stop = Stoppable()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.stop()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    end_with_supervisor()
    return stop


def _play(role: str, path: str, instance: str, listen: str | None, as_json: bool) -> None:
    config = load(path)
    stop = stop_on_signals()
    watch = Watch(config.name, role)
    server = serve(listen, watch) if listen else None
    try:
        # A role's dependencies are loaded only where it runs.
        adopted = role == "runner" and config.candidate.topic is not None
        module = importlib.import_module(f"shadowstream.kafka.{'watcher' if adopted else role}")
        figures: dict[str, Any] = module.run(config, revision_of(config), stop, watch, instance)
    finally:
        if server is not None:
            server.shutdown()
    if as_json:
        put_json(figures)
    else:
        say(figures_line(figures))


def figures_line(figures: dict[str, Any]) -> str:
    """A role's figures as a sentence."""
    return (
        f"{figures['role']}: {figures['records']:,} records in {figures['wall_s']} s "
        f"({figures['records_per_s']:,} records/s, {figures['cpu_s']} CPU s, {figures['commits']} commits)"
    )
