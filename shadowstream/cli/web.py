"""`web`: the live page of one or several trials, until Ctrl-C. It reads topics only."""

import importlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shadowstream.cli.answer import Evidence, MaxAge, Question, RequireSignature, facts, question, refuse_without_key
from shadowstream.cli.explain import explained
from shadowstream.cli.output import Json
from shadowstream.cli.roles import stop_on_signals
from shadowstream.errors import ConfigError
from shadowstream.kafka.operator_commands import Commands
from shadowstream.web.probes import split
from shadowstream.worker.confinement import hide_process

if TYPE_CHECKING:
    from shadowstream.kafka.operator_commands import Commands
    from shadowstream.protocol.verdict_signatures import SignedVerdicts
    from shadowstream.web.release_gate import ReleaseGate
    from shadowstream.web.trial_watch import Gate, TrialWatch

TOKEN, GATE_TOKEN = "SHADOWSTREAM_WEB_TOKEN", "SHADOWSTREAM_GATE_TOKEN"
ADDRESS = "127.0.0.1:8787"
TRIALS_MAX = 50
READ_S = 6.0
"""Longest wait of a request for a cluster that does not answer: within `release_gate.WAIT_S`."""
TOKEN_BYTES_MAX = 1_000

ConfigPaths = Annotated[list[str], typer.Argument(metavar="CONFIG...", help="the trials' YAML files")]


def web(
    configs: ConfigPaths,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="address of the page")] = ADDRESS,
    token_file: Annotated[
        Path | None, typer.Option(help=f"file with the token; or set {TOKEN}", show_default=False)
    ] = None,
    gate_token_file: Annotated[
        Path | None,
        typer.Option(
            help=f"file with the token that opens /api/verdict and the webhooks only; or set {GATE_TOKEN}",
            show_default=False,
        ),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="a trusted proxy or network that names the user", show_default=False),
    ] = None,
    proxy_header: Annotated[
        str | None, typer.Option(metavar="NAME", help="the header in which that proxy names the user")
    ] = None,
    max_age: MaxAge = "1h",
    require_signature: RequireSignature = False,
    as_json: Json = False,
) -> None:
    """Show the live page of these trials until Ctrl-C: verdict, evidence, differences, incidents and roles.

    It reads topics only. Beyond this machine it needs a token or a trusted proxy. Programs ask /api/verdict for the
    answer of `gate`; Flagger has webhooks.
    """
    hide_process()
    access = importlib.import_module("shadowstream.web.access")
    address = split(listen)
    token = _token("--token-file", token_file, TOKEN)
    gate_token = _token("--gate-token-file", gate_token_file, GATE_TOKEN)
    rules = access.rules_of(address[0], token, tuple(proxy or ()), proxy_header, gate_token)
    if len(configs) > TRIALS_MAX:
        raise ConfigError(f"{len(configs)} configs: one page shows at most {TRIALS_MAX} trials")
    server = importlib.import_module("shadowstream.web.server")
    asked = [question(path, None, max_age) for path in configs]
    if require_signature:
        for one in asked:
            refuse_without_key(one.trial)
    names = [one.trial.name for one in asked]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two of the configs name the trial {twice[0]!r}; give each trial once")
    watches = [_watch(path, one) for path, one in zip(configs, asked, strict=True)]
    server.serve(watches, [_gate(one) for one in asked], address, rules, stop_on_signals())


def _token(option: str, path: Path | None, variable: str) -> str | None:
    if path is None:
        return os.environ.get(variable)
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(TOKEN_BYTES_MAX).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option}: cannot read {path}: {error}") from error


def _watch(path: str, asked: Question) -> "TrialWatch":
    from shadowstream.web.trial_watch import Gate, TrialWatch

    def ask(verdicts: "SignedVerdicts", commands: "Commands", revision: str, now_ms: int) -> "Gate":
        answer = replace(asked, revision=revision).answer(Evidence(verdicts, commands), now_ms)
        return Gate(revision, answer.decision, answer.reasons, explained(answer), answer.verdict)

    return TrialWatch(asked.trial, path, asked.revision, ask)


def _gate(asked: Question) -> "ReleaseGate[Evidence]":
    from shadowstream.web.release_gate import ReleaseGate

    def answer(evidence: Evidence, revision: str | None, max_age: str | None) -> dict[str, Any]:
        now_ms = round(time.time() * 1000)
        return facts(asked.about(revision, max_age).answer(evidence, now_ms), asked.trial, now_ms)

    return ReleaseGate(asked.trial.name, lambda: asked.read(READ_S), answer)
