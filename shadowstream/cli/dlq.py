"""`dlq`: the dead letters of a trial, records that could not be used, with where they are and why."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shadowstream.cli.output import ConfigPath, Json, cell, put_json, put_rows, say
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.kafka.reading.topic_reader import TopicMissing, TopicRecord, stream_with_headers
from shadowstream.kafka.trial import bound_topics
from shadowstream.protocol.dead_letters import facts_of
from shadowstream.status.words import time_text

if TYPE_CHECKING:
    from rich.text import Text

READ_TIMEOUT_S = 30.0
ROLES = ("runner", "joiner")
KINDS_SHOWN = 10
VALUE_BYTES_SHOWN = 80

TITLES = ("time (UTC)", "role", "record", "key", "why", "value begins")


def dlq(
    config: ConfigPath,
    role: Annotated[str | None, typer.Option(help="only the dead letters of this role: runner or joiner")] = None,
    reason: Annotated[str | None, typer.Option(help="only those whose reason contains this text")] = None,
    limit: Annotated[int, typer.Option(min=0, help="show only the newest so many; 0 for all")] = 20,
    as_json: Json = False,
) -> None:
    """Show dead letters: records that a role could not use, and the reason of each; first how many of each kind."""
    if role is not None and role not in ROLES:
        raise ConfigError(f"--role {role!r}: give one of {', '.join(ROLES)}")
    trial = load(config).acting_as("reader")
    bound_topics.refuse_other_topics(trial, bound_topics.read_starts(trial, READ_TIMEOUT_S))
    kinds: Counter[tuple[str, str]] = Counter()
    newest: deque[dict[str, Any]] = deque(maxlen=limit or None)
    for letter in _letters(trial, ROLES if role is None else (role,)):
        if reason is None or reason in f"{letter['error']}: {letter['message']}":
            kinds[letter["role"], _kind(letter)] += 1
            newest.append(letter)
    if as_json:
        for letter in newest:
            put_json(letter)
    else:
        for (of, kind), n in sorted(kinds.items(), key=lambda kind: -kind[1])[:KINDS_SHOWN]:
            say(f"{n:,} × {of}: {kind}")
        if newest:
            put_rows(TITLES, [_cells(letter) for letter in newest], id_at=2)
    say(f"{len(newest)} of {kinds.total()} dead letters shown")


def _letters(trial: Config, roles: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for role in roles:
        topic = trial.plan.dead_letter(role)
        try:
            for record, headers in stream_with_headers(trial.kafka, topic, READ_TIMEOUT_S):
                yield _letter(role, record, headers)
        except TopicMissing as error:
            say(str(error))


def _letter(role: str, record: TopicRecord, headers: dict[str, bytes]) -> dict[str, Any]:
    facts = facts_of(headers)
    key = None if record.key is None else record.key.decode("utf-8", "backslashreplace")
    return {
        "role": role, "time_ms": record.time_ms, "record": facts.record, "key": key, "stage": facts.stage,
        "error": facts.error, "message": facts.message, "value": record.value,
    }  # fmt: skip


def _kind(letter: dict[str, Any]) -> str:
    """The error and its message without numbers and quoted parts, so that equal causes are one kind."""
    return f"{letter['error']}: {letter['message'].partition(':')[0]}"


def _cells(letter: dict[str, Any]) -> list["Text"]:
    value = b"" if letter["value"] is None else letter["value"][:VALUE_BYTES_SHOWN]
    why = f"{letter['error']}: {letter['message']}"
    words = time_text(letter["time_ms"]), letter["role"], letter["record"], letter["key"] or "-", why
    return [*map(cell, (*words, value.decode("utf-8", "backslashreplace")))]
