"""`gate`: one question, one exit code. It requires proof of "good": anything but a fresh promote is no promote."""

import time
from dataclasses import replace
from typing import Annotated

import typer

from shadowstream.cli.answer import Answer, MaxAge, RequireSignature, Revision, question, refuse_without_key
from shadowstream.cli.durations import seconds_of
from shadowstream.cli.output import DECISION_STYLES, ConfigPath, Json, put_json, put_styled, put_wrapped, say
from shadowstream.config import Config
from shadowstream.judge.verdict.candidate_errors import failure_lines
from shadowstream.judge.verdict.verdict_notes import notes_beside

POLL_S = 1.0
_OF_A_PROMOTED_VERSION = {
    "reject": "roll back: the new version, now production, is shown to be worse than the old one. The way back is in "
    "the plan that handover printed",
    "promote": "keep it: the new version, now production, is shown to be as good as the old one",
}
"""Meaning of the decisions in a trial that watches over a promoted version."""


def gate(
    config: ConfigPath,
    revision: Revision = None,
    max_age: MaxAge = "1h",
    wait: Annotated[
        str, typer.Option(help="wait for a decision for at most so long: seconds, or with s, m, h or d")
    ] = "0",
    no_override: Annotated[
        bool,
        typer.Option(
            "--no-override",
            help="do not obey an override; it is named all the same. An approval counts once the judge has taken it",
        ),
    ] = False,
    require_signature: RequireSignature = False,
    as_json: Json = False,
) -> None:
    """May the candidate be promoted? Exit code 0 promote, 3 reject, 4 not yet, 1 cluster unreachable, 2 bad config.

    A verdict of another revision or one older than --max-age is not yet. What `override` says of this revision holds.
    With judge.signing_keys, so is a verdict that none of these keys has signed.
    """
    wait_s = seconds_of("--wait", wait)
    asked = replace(question(config, revision, max_age), obeys_people=not no_override)
    if require_signature:
        refuse_without_key(asked.trial)
    deadline = time.monotonic() + wait_s
    while True:
        answer = asked.ask()
        left = deadline - time.monotonic()
        if answer.settled or left <= 0:
            break
        time.sleep(min(POLL_S, left))
    _print(answer, asked.trial, as_json)
    raise typer.Exit(answer.exit_code)


def lines(answer: Answer) -> list[str]:
    """The answer as text: the decision, its reasons, the candidate's most frequent errors, and notes."""
    printed = [answer.decision.replace("_", " "), *answer.reasons]
    if answer.verdict is None:
        return printed
    notes = notes_beside(answer.verdict, answer.reasons)
    return [*printed, *failure_lines(answer.verdict), *(f"note: {note}" for note in notes)]


def _print(answer: Answer, trial: Config, as_json: bool) -> None:
    if as_json:
        # The verdict record, with the gate's decision instead of its own.
        judged = answer.verdict["decision"] if answer.verdict else None
        record = {"name": trial.name, "revision": answer.revision, **(answer.verdict or {})}
        record |= {"decision": answer.decision, "reasons": answer.reasons}
        asked = {"exit_code": int(answer.exit_code), "judged": judged, "override": answer.override}
        put_json({**record, "gate": asked, "signed": answer.signed})
        return
    decision, *rest = lines(answer)
    put_styled(decision, f"bold {DECISION_STYLES[answer.decision]}")
    if trial.watch_over and answer.decision in _OF_A_PROMOTED_VERSION:
        put_wrapped(f"  {_OF_A_PROMOTED_VERSION[answer.decision]}")
    for line in rest:
        put_wrapped(f"  {line}")
    say(f"trial {trial.name!r}, revision {answer.revision}")
