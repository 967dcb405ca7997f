"""`run`, `join`, `judge`, `labels`: one role in this process."""

import importlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from types import FrameType
from typing import Annotated, Any

import typer

from shadowstream import extras
from shadowstream.cli.output import ConfigPath, ExitCode, Json, put_or_say
from shadowstream.config import Config, Principal
from shadowstream.configfile import load
from shadowstream.errors import BrokerError, CandidateError
from shadowstream.health import RoleHealth
from shadowstream.kafka import presence, role_report
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.client.errors import is_unreachable
from shadowstream.kafka.ownership import RoleClaim
from shadowstream.kafka.role_report import Report
from shadowstream.kafka.supervisor import end_with_supervisor
from shadowstream.loading import without_collecting
from shadowstream.revision import revision_of
from shadowstream.web.probes import serve
from shadowstream.worker.confinement import hide_process

Instance = Annotated[str, typer.Option(help="stable name of this process among those of its role")]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:]PORT",
        help="serve /metrics, /healthz and /readyz; by default to this machine only",
        show_default=False,
    ),
]
GRACE_S = 1.0
COMMANDS = {"run": "runner", "join": "joiner", "judge": "judge"}
"""Roles of every trial."""


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


def stop_on_signals() -> Stoppable:
    """Install handlers: SIGTERM, SIGINT and the end of a supervising parent request the end after the next commit.

    A handler runs only between two calls of the client, and a call may wait for a broker that does not answer. If
    the work has not begun, the process ends at most `GRACE_S` later.
    """
    stop = Stoppable()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(target=_end_before_it_begins, args=(read_end, stop), name="signals", daemon=True).start()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.stop()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    end_with_supervisor()
    return stop


def _end_before_it_begins(signals: int, stop: Stoppable) -> None:
    while number := os.read(signals, 1):
        if number[0] in (signal.SIGTERM, signal.SIGINT):
            time.sleep(GRACE_S)
            if not stop.begun:
                os._exit(ExitCode.OK)


@contextmanager
def as_role(config: Config, instance: str, stop: Stoppable, watch: RoleHealth) -> Iterator[None]:
    """Run a role in this context, to its end. A role that ends without a stop request has finished, and reports it.
    Raises `TakenOver` if the role failed because another run has its place."""
    watch.claim = RoleClaim(config, watch.role, instance)
    try:
        yield
    except BrokerError as error:
        if not is_unreachable(error):
            watch.claim.check(now=True)
        raise
    except SystemExit as error:
        # Foreign code runs in a role. The role has not finished, whatever exit code that code requested.
        raise CandidateError(
            f"a function of the candidate or of the comparison has asked the {watch.role} to exit ({error.code!r}); "
            "the role ends unfinished; start it again"
        ) from error
    if not stop.stopped:
        role_report.send(Report.FINISHED)


def play(
    watch: RoleHealth, module: str, config: Config, instance: str, listen: str | None, **more: Any
) -> dict[str, Any]:
    """Run one role in this process, to its end; return its figures. The role's module is loaded only here, so that a
    process has the dependencies of its own role alone. `more`: further arguments of the role."""
    hide_process()
    stop = stop_on_signals()
    server = serve(listen, watch) if listen else None
    try:
        with without_collecting():
            role = importlib.import_module(module)
        with as_role(config, instance, stop, watch):
            revision = revision_of(config)
            watch.started(version("shadowstream"), revision)
            figures: dict[str, Any] = role.run(config, revision, stop, watch, instance, **more)
    finally:
        if server is not None:
            server.shutdown()
    return figures


def _play(role: Principal, path: str, instance: str, listen: str | None, as_json: bool) -> None:
    config = load(path).acting_as(role)
    if role == "joiner" and (key := config.assigning_key) is not None:
        extras.require(key, "judge")
    watch = RoleHealth(config.name, role)
    watch.own_process = True
    is_external = role == "runner" and config.candidate.topic is not None
    module = f"shadowstream.kafka.roles.{'external_candidate' if is_external else role}"
    # These two work outside any group, so that `down` and `list` would not see them.
    with presence.shown(config, role) if is_external or role == "judge" else nullcontext():
        figures = play(watch, module, config, instance, listen)
    put_or_say(figures, figures_line(figures), as_json=as_json)


def figures_line(figures: dict[str, Any]) -> str:
    return (
        f"{figures['role']}: {figures['records']:,} records in {figures['wall_s']} s "
        f"({figures['records_per_s']:,} records/s, {figures['cpu_s']} CPU s, {figures['commits']} commits)"
    )
