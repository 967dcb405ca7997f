"""`web`: the live page of one or several trials, until Ctrl-C. It reads topics only."""

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shadowstream.cli.answer import MaxAge, Question, aged, approved, decide, overridden, proven, question
from shadowstream.cli.explain import explained
from shadowstream.cli.output import Json
from shadowstream.cli.roles import stop_on_signals
from shadowstream.errors import ConfigError
from shadowstream.web.probes import split
from shadowstream.worker.confinement import hide_process

if TYPE_CHECKING:
    from shadowstream.kafka.operator_commands import Commands
    from shadowstream.protocol.verdict_signatures import SignedVerdicts
    from shadowstream.web.trial_watch import Gate, TrialWatch

TOKEN = "SHADOWSTREAM_WEB_TOKEN"
ADDRESS = "127.0.0.1:8787"
TRIALS_MAX = 50
TOKEN_BYTES_MAX = 1_000

ConfigPaths = Annotated[list[str], typer.Argument(metavar="CONFIG...", help="the trials' YAML files")]


def web(
    configs: ConfigPaths,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="address of the page")] = ADDRESS,
    token_file: Annotated[
        Path | None, typer.Option(help=f"file with the token; or set {TOKEN}", show_default=False)
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="a trusted proxy or network that names the user", show_default=False),
    ] = None,
    proxy_header: Annotated[
        str | None, typer.Option(metavar="NAME", help="the header in which that proxy names the user")
    ] = None,
    max_age: MaxAge = "1h",
    as_json: Json = False,
) -> None:
    """Show the live page of these trials until Ctrl-C: verdict, evidence, differences, incidents and roles.

    It reads topics only. Beyond this machine it needs a token or a trusted proxy.
    """
    hide_process()
    access = importlib.import_module("shadowstream.web.access")
    address = split(listen)
    rules = access.rules_of(address[0], _token(token_file), tuple(proxy or ()), proxy_header)
    if len(configs) > TRIALS_MAX:
        raise ConfigError(f"{len(configs)} configs: one page shows at most {TRIALS_MAX} trials")
    server = _server()
    watches = [_watch(path, question(path, None, max_age)) for path in configs]
    names = [watch.config.name for watch in watches]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two of the configs name the trial {twice[0]!r}; give each trial once")
    server.serve(watches, address, rules, stop_on_signals())


def _token(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(TOKEN)
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(TOKEN_BYTES_MAX).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file: cannot read {path}: {error}") from error


def _server() -> Any:
    try:
        return importlib.import_module("shadowstream.web.server")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("shadowstream"):
            raise
        raise ConfigError(
            f"`web` needs {error.name}, which is not installed: pip install 'shadowstream[web]'"
        ) from error


def _watch(path: str, asked: Question) -> "TrialWatch":
    from shadowstream.web.trial_watch import Gate, TrialWatch

    def ask(verdicts: "SignedVerdicts", commands: "Commands", revision: str, now_ms: int) -> "Gate":
        known = proven(decide(verdicts.last, revision, now_ms, asked.max_age_ms), verdicts)
        known = aged(known, asked.trial, now_ms, asked.max_age_ms)
        known = approved(known, asked.trial, commands.approvals(), path)
        answer = overridden(known, commands.overrides(), now_ms)
        return Gate(revision, answer.decision, answer.reasons, explained(answer), answer.verdict)

    return TrialWatch(asked.trial, path, asked.revision, ask)
