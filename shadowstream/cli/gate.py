"""`gate`: one question, one exit code. It asks for proof of "good": whatever is not a fresh promote is no promote."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from shadowstream.cli.output import ConfigPath, ExitCode, Json, put, put_json, say
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.kafka.reading import TopicMissing, read_topic
from shadowstream.revision import revision_of

READ_TIMEOUT_S = 30.0
POLL_S = 1.0
REVISION_CHARS_MIN = 8
_CODES = {"promote": ExitCode.OK, "reject": ExitCode.REJECT, "not_yet": ExitCode.NOT_YET}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate says. `verdict` is the record that it rests on, None where there is none for the revision."""

    decision: str
    reasons: list[str]
    revision: str
    verdict: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def exit_code(self) -> ExitCode:
        """0 promote, 3 reject, 4 not yet."""
        return _CODES[self.decision]

    @property
    def settled(self) -> bool:
        """Whether waiting cannot change it: a decision, or the last word of a bounded run."""
        return self.decision != "not_yet" or bool(
            self.verdict and self.verdict["final"] and self.verdict["decision"] == "not_yet"
        )


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(gate)


def gate(
    config: ConfigPath,
    revision: Annotated[
        str | None, typer.Option(help="revision to ask for, or its first 8 or more digits; default: the local one's")
    ] = None,
    max_age: Annotated[
        float, typer.Option(min=0, help="oldest verdict that counts, seconds since its evaluation")
    ] = 3600,
    wait: Annotated[float, typer.Option(min=0, help="wait for a decision for at most so many seconds")] = 0,
    as_json: Json = False,
) -> None:
    """May the candidate be promoted? Exit code 0 promote, 3 reject, 4 not yet, 1 cluster unreachable, 2 bad config.

    A verdict of another revision or one older than --max-age is not yet.
    """
    trial = load(config)
    wanted = _checked(revision) if revision is not None else revision_of(trial)
    deadline = time.monotonic() + wait
    while True:
        answer = decide(_verdicts(trial), wanted, round(time.time() * 1000), round(max_age * 1000))
        left = deadline - time.monotonic()
        if answer.settled or left <= 0:
            break
        time.sleep(min(POLL_S, left))
    _print(answer, trial, as_json)
    raise typer.Exit(answer.exit_code)


def _checked(revision: str) -> str:
    if not re.fullmatch(rf"[0-9a-f]{{{REVISION_CHARS_MIN},64}}", revision):
        raise ConfigError(f"--revision {revision!r}: give 8 to 64 digits of 0-9, a-f, as `validate` prints them")
    return revision


def _verdicts(trial: Config) -> dict[str, bytes] | None:
    """The last verdict of each revision, still encoded; None where the topic does not exist."""
    try:
        rows = read_topic(trial.kafka, trial.plan.of("verdict"), READ_TIMEOUT_S)
    except TopicMissing:
        return None
    last = {row.key: row.value for row in rows}
    return {key.decode("utf-8", "replace"): value for key, value in last.items() if key and value}


def decide(verdicts: dict[str, bytes] | None, wanted: str, now_ms: int, max_age_ms: int) -> Answer:
    """The gate's answer from the last verdicts by revision; `wanted` is a revision or its beginning.

    Raises `ConfigError` where `wanted` fits several, `RecordError` where its verdict cannot be read.
    """
    if not verdicts:
        why = "there is no verdict topic" if verdicts is None else "the verdict topic is empty"
        return Answer("not_yet", [f"{why}: no window has been judged; is `judge` running with this config?"], wanted)
    fitting = [revision for revision in verdicts if revision.startswith(wanted)]
    if len(fitting) > 1:
        raise ConfigError(f"--revision {wanted!r} fits {len(fitting)} revisions: {', '.join(sorted(fitting))}")
    if not fitting:
        others = ", ".join(sorted(revision[:16] for revision in verdicts)[:5])
        return Answer("not_yet", [f"no verdict for revision {wanted[:16]}; there are verdicts for {others}"], wanted)
    verdict = _decoded(verdicts[fitting[0]], fitting[0])
    age_ms = now_ms - verdict["evaluated_at_ms"]
    if abs(age_ms) > max_age_ms:
        told = f"{age_ms / 1000:.0f} s old" if age_ms > 0 else f"{-age_ms / 1000:.0f} s ahead of this machine's clock"
        reason = f"the verdict ({verdict['decision']}) is {told}; at most {max_age_ms / 1000:g} s count (--max-age)"
        return Answer("not_yet", [reason], fitting[0], verdict)
    return Answer(verdict["decision"], list(verdict["reasons"]), fitting[0], verdict)


def _decoded(raw: bytes, revision: str) -> dict[str, Any]:
    kind, verdict = own.decode(raw)
    if kind != "verdict" or verdict["revision"] != revision or verdict["decision"] not in _CODES:
        raise ShadowstreamBug(
            f"the verdict topic holds under key {revision!r} a {kind} record with revision "
            f"{verdict.get('revision')!r} and decision {verdict.get('decision')!r}"
        )
    return verdict


def _print(answer: Answer, trial: Config, as_json: bool) -> None:
    if as_json:
        # The verdict record, but never a decision that the gate does not stand behind.
        judged = answer.verdict["decision"] if answer.verdict else None
        told = {"name": trial.name, "revision": answer.revision, **(answer.verdict or {})}
        told |= {"decision": answer.decision, "reasons": answer.reasons}
        put_json({**told, "gate": {"exit_code": int(answer.exit_code), "judged": judged}})
        return
    put(answer.decision.replace("_", " "))
    for reason in answer.reasons:
        put(f"  {reason}")
    for caveat in answer.verdict["caveats"] if answer.verdict else ():
        put(f"  note: {caveat}")
    say(f"trial {trial.name!r}, revision {answer.revision}")
