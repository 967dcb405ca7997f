"""`override`: an operator decides for one revision, with a name and a reason; the gate applies and shows it."""

from typing import Annotated, Any, Literal

import typer

from shadowstream.cli.answer import Revision, question
from shadowstream.cli.durations import seconds_of
from shadowstream.cli.output import ConfigPath, Json, put_or_say
from shadowstream.errors import ConfigError
from shadowstream.judge.utc_text import utc_text
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import write_command


def override(
    config: ConfigPath,
    decision: Annotated[
        Literal["promote", "reject", "none"], typer.Option(help="what the gate answers; none takes an override back")
    ],
    by: Annotated[str, typer.Option(help="who decides", show_default=False)],
    reason: Annotated[str, typer.Option(help="why", show_default=False)],
    lasting: Annotated[
        str | None, typer.Option("--for", help="how long it holds: seconds, or with s, m, h or d; default: for ever")
    ] = None,
    revision: Revision = None,
    as_json: Json = False,
) -> None:
    """Decide by hand for one revision, whatever its evidence says; another revision is not touched by it.

    The evidence stays as it is and grows: the verdict shows who overrode it, and why. With --for it ends by itself.
    """
    for option, text in (("--by", by), ("--reason", reason)):
        if not text.strip():
            raise ConfigError(f"{option}: must not be empty; give who decides (--by) and why (--reason)")
    lasting_s = None if lasting is None else seconds_of("--for", lasting)
    asked = question(config, revision, "1h", by="operator")
    answer = asked.ask()
    if answer.verdict is None:
        raise ConfigError(f"--revision {asked.revision[:16]}: {answer.reasons[0]}; there is nothing to override")
    record: dict[str, Any] = {"command": "override", "subject": answer.revision, "by": by, "reason": reason}
    at_ms = now_ms()
    until_ms = None if lasting_s is None or decision == "none" else at_ms + round(lasting_s * 1000)
    record |= {"at_ms": at_ms, "decision": "" if decision == "none" else decision, "until_ms": until_ms}
    write_command(asked.trial, record)
    done = "no longer overridden" if decision == "none" else f"overridden to {decision}"
    done += f" until {utc_text(until_ms)}" if until_ms is not None else ""
    text = f"revision {answer.revision}: {done} by {by}; the evidence says {answer.verdict['decision']}"
    put_or_say(record, text, as_json=as_json)
