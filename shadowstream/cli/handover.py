"""`handover`: the plan by which a promoted candidate takes over production's group. It prints; people act."""

import shlex
from typing import Annotated, Any

import typer

from shadowstream.cli.answer import Answer, MaxAge, Question, Revision, question
from shadowstream.cli.durations import seconds_of
from shadowstream.cli.gate import lines as answer_lines
from shadowstream.cli.output import DECISION_STYLES, ConfigPath, ExitCode, Json, put, put_json, put_styled, put_wrapped
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.handover.facts import Facts
from shadowstream.handover.kafka_lines import KafkaLines
from shadowstream.handover.plan import Asked, Plan, Step, plan_of
from shadowstream.handover.text import partition_lines
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import write_command
from shadowstream.kafka.trial.handover_facts import read_facts
from shadowstream.status.words import number

PARTITIONS_MAX = 10_000
"""Input partitions whose offsets one record of `commands` holds."""
LOGIN_FILE = "client.properties"
_FINAL = "production has stopped: the new version begins at the commits below"
_NOT_FINAL = "begin nothing at the commits below: what is in the way follows, each with what to do"
_DEFAULTS = {"--watch": "5s", "--max-age": "1h"}


def handover(
    config: ConfigPath,
    by: Annotated[str, typer.Option(help="who hands over; recorded with the final offsets", show_default=False)],
    reason: Annotated[str, typer.Option(help="why, for the record")] = "",
    revision: Revision = None,
    new_group: Annotated[
        str | None, typer.Option(help="consumer group of the new version; default: production's, which it takes over")
    ] = None,
    watch: Annotated[
        str, typer.Option(help="how long the commits of an empty group must stand still: seconds, or with s or m")
    ] = _DEFAULTS["--watch"],
    command_config: Annotated[
        str | None,
        typer.Option(
            help="file with the login of Kafka's tools, for the printed lines; default: client.properties where "
            "kafka.client has a login"
        ),
    ] = None,
    max_age: MaxAge = _DEFAULTS["--max-age"],
    as_json: Json = False,
) -> None:
    """Print how a promoted candidate takes over production's group at exact offsets, and back; move nothing.

    You run the printed lines. While production runs, the offsets are not final, with exit code 4. Once production's
    group is empty, the command records them, and the judge writes them to audit. Without a promote it ends as `gate`
    does.
    """
    if not by.strip():
        raise ConfigError("--by: must not be empty; give who hands over")
    watch_s = seconds_of("--watch", watch)
    asked = question(config, revision, max_age, by="operator")
    trial = asked.trial
    if new_group is not None and (new_group.startswith("shadow.") or new_group == trial.production.group):
        raise ConfigError(
            f"--new-group {new_group!r}: give a group of the new version's own, neither production's nor one of a trial"
        )
    answer = asked.ask()
    if answer.decision != "promote":
        _refuse(answer, as_json)
    facts = read_facts(admin(trial.kafka), trial, answer.revision, new_group, watch_s)
    lines = KafkaLines(trial.kafka.bootstrap, command_config or (LOGIN_FILE if has_login(trial) else None))
    options = {"--by": by, "--reason": reason, "--revision": revision, "--new-group": new_group, "--watch": watch}
    options |= {"--command-config": command_config, "--max-age": max_age}
    words = [
        word for name, value in options.items() if value and value != _DEFAULTS.get(name) for word in (name, value)
    ]
    command = shlex.join(["shadowstream", "handover", config, *words])
    plan = plan_of(Asked(trial, config, answer.revision, command, lines), facts)
    record = _record(answer, plan, facts, by, reason) if plan.is_final else None
    if record is not None:
        write_command(trial, record)
    _print(asked, answer.revision, (plan, facts), record, as_json)
    raise typer.Exit(ExitCode.OK if plan.is_final else ExitCode.NOT_YET)


def has_login(trial: Config) -> bool:
    """Whether clients of a trial log in, so that Kafka's tools need a file with their login."""
    return trial.kafka.msk is not None or any(
        name.startswith(("security.", "sasl.", "ssl.")) for name in trial.kafka.client
    )


def _refuse(answer: Answer, as_json: bool) -> None:
    if as_json:
        put_json({"final": False, "revision": answer.revision, "decision": answer.decision, "reasons": answer.reasons})
    else:
        put_styled("no handover: the gate does not say promote", f"bold {DECISION_STYLES[answer.decision]}")
        for line in answer_lines(answer):
            put_wrapped(f"  {line}")
    raise typer.Exit(answer.exit_code)


def _record(answer: Answer, plan: Plan, facts: Facts, by: str, reason: str) -> dict[str, Any]:
    if len(plan.offsets) > PARTITIONS_MAX:
        raise ConfigError(
            f"inputs: {len(plan.offsets):,} partitions are more than one record holds ({PARTITIONS_MAX:,}); nothing "
            "was recorded"
        )
    offsets = [{**place._asdict(), "offset": offset} for place, offset in sorted(plan.offsets.items())]
    named = {"command": "handover", "subject": answer.revision, "by": by, "reason": reason, "at_ms": now_ms()}
    return {**named, "group": facts.group.name, "offsets": offsets}


def _print(
    asked: Question, revision: str, found: tuple[Plan, Facts], record: dict[str, Any] | None, as_json: bool
) -> None:
    plan, facts = found
    if as_json:
        put_json(
            {
                "final": plan.is_final,
                "revision": revision,
                "group": facts.group.name,
                "partitions": [
                    {
                        **one.place._asdict(),
                        "committed": one.committed,
                        "begin": one.begin,
                        "end": one.end,
                        "done": one.done,
                    }
                    for one in facts.inputs
                ],
                "obstacles": [one._asdict() for one in plan.obstacles],
                "notes": plan.notes,
                "steps": [step.as_json() for step in plan.steps],
                "way_back": [step.as_json() for step in plan.way_back],
                "recorded": record,
            }
        )
        return
    put_styled("final" if plan.is_final else "not final", f"bold {'green' if plan.is_final else 'yellow'}")
    put_wrapped(f"  {_FINAL if plan.is_final else _NOT_FINAL}")
    for obstacle in plan.obstacles:
        put_wrapped(f"  {obstacle.text}")
        put_wrapped(f"    {obstacle.remedy}")
        _put_commands(obstacle.commands)
    for note in plan.notes:
        put_wrapped(f"  note: {note}")
    put("")
    for line in partition_lines(facts.inputs):
        put(f"  {line}")
    _put_steps("Handover", plan.steps)
    _put_steps("Way back", plan.way_back)
    put("")
    if record is not None:
        plan_of_topics = asked.trial.plan
        put_wrapped(
            f"recorded by {record['by']}: {number(len(record['offsets']))} offsets in {plan_of_topics.of('commands')}; "
            f"a running judge writes them to {plan_of_topics.of('audit')}"
        )
        put_wrapped("keep this output for the way back: later, the same command plans another handover")
    else:
        put_wrapped("not recorded: the offsets are not final")


def _put_steps(title: str, steps: tuple[Step, ...]) -> None:
    put(f"\n{title}")
    for at, step in enumerate(steps, 1):
        put_wrapped(f"{at}. {step.title}{' (done)' if step.done else ''}")
        for text in step.text:
            put_wrapped(f"   {text}")
        _put_commands(step.commands)
        for check in step.checks:
            put_wrapped(f"   check: {check}")


def _put_commands(commands: tuple[str, ...]) -> None:
    """Write lines for a shell, never wrapped; rows of a file without indentation, which would change them."""
    for command in commands:
        put(command if "\n" in command else f"   {command}")
