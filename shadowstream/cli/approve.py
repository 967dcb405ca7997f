"""`approve`: a person approves the promote that the evidence shows, where the trial waits for one."""

from typing import Annotated, Any

import typer

from shadowstream.cli.answer import MaxAge, Revision, question
from shadowstream.cli.output import ConfigPath, Json, put_or_say
from shadowstream.errors import ConfigError
from shadowstream.judge.utc_text import utc_text
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import write_command


def approve(
    config: ConfigPath,
    by: Annotated[str, typer.Option(help="who approves", show_default=False)],
    reason: Annotated[str, typer.Option(help="why", show_default=False)],
    revision: Revision = None,
    max_age: MaxAge = "1h",
    as_json: Json = False,
) -> None:
    """Approve the promote of one revision, which waits for it under `judge.approval: manual`.

    It is refused while the evidence does not say promote. It stands for this promote only: once the evidence says
    reject or not yet, a later promote waits again. `override --decision reject` takes it back.
    """
    for option, text in (("--by", by), ("--reason", reason)):
        if not text.strip():
            raise ConfigError(f"{option}: must not be empty; give who approves (--by) and why (--reason)")
    asked = question(config, revision, max_age, by="operator")
    answer = asked.judged()
    verdict = answer.verdict
    if verdict is None:
        raise ConfigError(f"--revision {asked.revision[:16]}: {answer.reasons[0]}; there is nothing to approve")
    if answer.decision != "promote":
        raise ConfigError(
            f"revision {answer.revision[:16]}: the answer by its evidence is {answer.decision.replace('_', ' ')}, so "
            f"there is nothing to approve: {answer.reasons[0]}. `shadowstream explain {config}` shows what is in the "
            "way; to decide otherwise than the evidence, use `override`"
        )
    if verdict["approval"] is None:
        raise ConfigError(
            f"revision {answer.revision[:16]}: its judge waits for no approval: set judge.approval: manual and restart "
            "the judge; until then the gate follows the evidence"
        )
    record: dict[str, Any] = {"command": "approve", "subject": answer.revision, "by": by, "reason": reason}
    record |= {"at_ms": now_ms(), "promote_since_ms": verdict["approval"]["promote_since_ms"]}
    write_command(asked.trial, record)
    since = utc_text(record["promote_since_ms"])
    text = f"revision {answer.revision}: the promote since {since} is approved by {by}"
    put_or_say(record, text, as_json=as_json)
