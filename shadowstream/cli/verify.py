"""`verify`: whether a verdict is the judge's, from the cluster or from a file, and whether a webhook is the trial's."""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from shadowstream.cli.answer import CODES, Revision, question, verdicts_of
from shadowstream.cli.durations import seconds_of
from shadowstream.cli.output import ConfigPath, ExitCode, Json, put_json, put_wrapped
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError, RecordError
from shadowstream.judge.utc_text import utc_text
from shadowstream.protocol.command_signatures import signature_of
from shadowstream.protocol.verdict_signatures import UNSIGNED, problem_of
from shadowstream.webhook_signatures import problem_of as problem_of_webhook

FILE_BYTES_MAX = 50_000_000
_GATES_OWN = ("decision", "reasons", "approval")
"""Fields of `gate --json` that are the gate's answer, and not the verdict's."""


class Finding(NamedTuple):
    """The result. `genuine`: None where it could not be decided."""

    genuine: bool | None
    text: str

    @property
    def exit_code(self) -> ExitCode:
        """0 genuine, 3 not genuine, 4 could not tell."""
        return {True: ExitCode.OK, False: ExitCode.REJECT, None: ExitCode.NOT_YET}[self.genuine]


def verify(
    config: ConfigPath,
    file: Annotated[
        Path | None, typer.Option(help="output of `gate --json` or `report --json`; default: the cluster's verdict")
    ] = None,
    webhook: Annotated[Path | None, typer.Option(help="body of a received webhook, byte by byte")] = None,
    headers: Annotated[
        Path | None, typer.Option(help="its headers: lines `Name: value`, or a JSON object", show_default=False)
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="the channel with its secret; default: the only one with a secret")
    ] = None,
    tolerance: Annotated[
        str, typer.Option(help="greatest distance of a webhook's time from now: seconds, or with s, m, h or d")
    ] = "5m",
    revision: Revision = None,
    as_json: Json = False,
) -> None:
    """Check who signed a verdict or a webhook. Exit code 0 genuine, 3 not genuine, 4 could not tell.

    Verdicts are checked with judge.signing_keys, webhooks with the secret of their channel. It writes nothing.
    """
    if webhook is not None and file is not None:
        raise ConfigError("--webhook, --file: give one of the two")
    if (webhook is None) != (headers is None):
        raise ConfigError("--webhook, --headers: a webhook is checked by its body and its headers; give both")
    asked = question(config, revision, "1h")
    if webhook is not None and headers is not None:
        tolerance_s = seconds_of("--tolerance", tolerance)
        found = _webhook(asked.trial, channel, _read("--webhook", webhook), _headers_of(headers), tolerance_s)
    elif not asked.trial.signing_keys:
        names_keys = bool(asked.trial.judge.signing_keys)
        todo = "set its variable for this process" if names_keys else "add it to the config, for judge and readers"
        raise ConfigError(f"judge.signing_keys: has no key here, so that no verdict can be checked; {todo}")
    elif file is not None:
        found = _of_file(asked.trial, _read("--file", file))
    else:
        found = _of_cluster(asked.trial, asked.revision)
    if as_json:
        put_json({"genuine": found.genuine, "text": found.text, "exit_code": int(found.exit_code)})
    else:
        put_wrapped(found.text)
    raise typer.Exit(found.exit_code)


def _of_cluster(trial: Config, wanted: str) -> Finding:
    verdicts = verdicts_of(trial)
    fitting = [] if verdicts is None else [one for one in verdicts.last if one.startswith(wanted)]
    if verdicts is None or not fitting:
        return Finding(None, f"could not tell: there is no verdict of revision {wanted[:16]}")
    if len(fitting) > 1:
        raise ConfigError(f"--revision {wanted!r} fits {len(fitting)} revisions: {', '.join(sorted(fitting))}")
    (revision,) = fitting
    problem = verdicts.problems.get(revision)
    return _finding(problem, revision, own.read("verdict", verdicts.last[revision]), verdicts.signatures.get(revision))


def _of_file(trial: Config, content: bytes) -> Finding:
    """Check the signature of the record in a file, and that the file says the same as the record."""
    given = _json_of("--file", content)
    is_gate = "gate" in given
    signed, shown = given.get("signed"), given if is_gate else given.get("verdict", given)
    if not isinstance(signed, dict) or not isinstance(shown, dict):
        return Finding(None, "could not tell: the file has no signed verdict; it was written without a signature")
    try:
        value, signature = base64.b64decode(str(signed["value"]), validate=True), str(signed["signature"])
        record = own.read("verdict", value)
    except (KeyError, binascii.Error, RecordError) as error:
        return Finding(False, f"not genuine: the signed verdict in the file cannot be read: {error}")
    revision = record["revision"]
    if (problem := problem_of(value, trial.name, revision, signature, trial.signing_keys)) is not None:
        return _finding(problem, revision, record, signature)
    plain = json.loads(json.dumps(record))
    gates = _GATES_OWN if is_gate else ("approval",)
    other = sorted(name for name in plain if name not in gates and (name not in shown or shown[name] != plain[name]))
    if other:
        return Finding(False, f"not genuine: the file differs from the signed verdict in {', '.join(other[:5])}")
    if wrong := _wrong_facts(trial, given, record):
        return Finding(False, f"not genuine: {wrong} in the file does not fit the signed verdict")
    return _answer(trial, given, record, _finding(None, revision, record, signature))


def _wrong_facts(trial: Config, given: Mapping[str, Any], record: Mapping[str, Any]) -> str | None:
    """Return the first fact beside the verdict that is wrong: the trial, the exit code, the decision without people."""
    gate = given.get("gate", {})
    if not isinstance(gate, dict):
        return "gate"
    fitting = {
        "name": given.get("name", trial.name) == trial.name,
        "revision": given.get("revision", record["revision"]) == record["revision"],
        "gate.exit_code": not gate or gate.get("exit_code") == CODES.get(str(given.get("decision"))),
        "gate.judged": not gate or gate.get("judged") == record["decision"],
    }
    return next((name for name, fits in fitting.items() if not fits), None)


def _answer(trial: Config, given: Mapping[str, Any], record: Mapping[str, Any], genuine: Finding) -> Finding:
    """Check that a promote or reject in the file is the signed verdict's, or a signed override's."""
    asked = given.get("gate")
    override = asked.get("override") if isinstance(asked, dict) else given.get("override")
    decision = str(given.get("decision"))
    if isinstance(override, dict):
        key, signature = trial.judge.commands_key, str(override.get("signature", ""))
        if not key or not signature:
            return Finding(None, f"could not tell: {decision} is an override, and judge.commands_key signed none here")
        try:
            is_signed = signature_of(override, trial.name, key) == signature
        except KeyError:
            is_signed = False
        fits = (override.get("subject"), override.get("decision")) == (record["revision"], decision)
        until_ms = override.get("until_ms")
        fits = fits and (until_ms is None or until_ms > record["evaluated_at_ms"])  # an older verdict went with it
        if not (is_signed and fits):
            return Finding(False, f"not genuine: {decision} is an override whose signature or time does not fit")
        return Finding(True, f"{genuine.text}; {decision} by a signed override of {override['by']}")
    if decision not in (record["decision"], "not_yet"):
        return Finding(False, f"not genuine: the file says {decision}, and the signed verdict {record['decision']}")
    approval = record["approval"]
    if decision == "promote" and approval is not None and not approval["approved"]:
        return Finding(None, "could not tell: the signed verdict waits for approval, and the judge has recorded none")
    return genuine


def _finding(problem: str | None, revision: str, record: Mapping[str, Any], signature: str | None) -> Finding:
    named = f"the verdict of revision {revision} ({record['decision'].replace('_', ' ')}, evaluated at "
    named += f"{utc_text(record['evaluated_at_ms'])})"
    by = f", signed by the key with id {signature.split(',')[1]}" if signature and signature.count(",") == 2 else ""
    if problem is None:
        return Finding(True, f"genuine: {named}{by}")
    if problem == UNSIGNED:
        return Finding(None, f"could not tell: {named}: {problem}")
    return Finding(False, f"not genuine: {named}{by}: {problem}")


def _webhook(
    trial: Config, channel: str | None, body: bytes, headers: Mapping[str, str], tolerance_s: float
) -> Finding:
    signing = {one.target: one.secrets for one in trial.alerts.targets if one.secrets}
    if channel is None and len(signing) != 1:
        raise ConfigError(
            f"--channel: {len(signing)} channels have a secret ({', '.join(signing) or 'none'}); name one"
        )
    name = channel if channel is not None else next(iter(signing))
    if name not in signing:
        raise ConfigError(f"--channel {name!r}: has no secret; channels with one: {', '.join(signing) or 'none'}")
    try:
        problem = problem_of_webhook(headers, body, time.time(), signing[name], tolerance_s)
    except LookupError as error:
        return Finding(None, f"could not tell: {error.args[0]}")
    if problem is not None:
        return Finding(False, f"not genuine: {problem}")
    return Finding(True, f"genuine: the webhook is of channel {name}")


def _headers_of(path: Path) -> dict[str, str]:
    text = _read("--headers", path).decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return {name: str(value) for name, value in _json_of("--headers", text.encode()).items()}
    return {
        name.strip(): value.strip()
        for name, found, value in (line.partition(":") for line in text.splitlines())
        if found
    }


def _json_of(option: str, content: bytes) -> dict[str, Any]:
    try:
        given = json.loads(content, object_pairs_hook=_unique)
    except ValueError as error:
        raise ConfigError(f"{option}: is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{option}: is no JSON object")
    return given


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises `ValueError` for a name that comes twice: readers differ in which of the two counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has one name twice")
    return found


def _read(option: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{option}: cannot read {path}: {error.strerror or error}") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{option}: {path} has more than {FILE_BYTES_MAX:,} bytes, so it is no such file")
    return content
