"""`status`: a running trial at one moment, and with --follow again and again. Exit code 0 if it could be read."""

import sys
import time
from contextlib import closing
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from shadowstream.cli import live
from shadowstream.cli.answer import Answer, MaxAge, Question, Revision, question
from shadowstream.cli.output import ConfigPath, Json, console, put, put_json
from shadowstream.config import Config
from shadowstream.kafka.status_reader import StatusReader
from shadowstream.kafka.throttle import Throttle
from shadowstream.kafka.trial.expiry import expiring
from shadowstream.status.figures import Status
from shadowstream.status.lines import lines, minute_line
from shadowstream.status.summary import Decision, status_of

Follow = Annotated[
    bool, typer.Option("--follow/--no-follow", help="repeat it: on a terminal in place, elsewhere a line each minute")
]

EXPIRY_EVERY_S = 30.0


def status_now(trial: Config, answer: Answer) -> Status:
    """The status of a trial beside an answer of the gate."""
    with closing(StatusReader(trial, answer.revision)) as reader:
        return _status(trial, reader, answer)


def _status(trial: Config, reader: StatusReader, answer: Answer) -> Status:
    decision = Decision(answer.revision, answer.decision, answer.reasons, answer.verdict)
    return status_of(trial, reader.look(), decision)


class Watch:
    """Looks at one trial: its topics, and the gate's answer."""

    def __init__(self, asked: Question) -> None:
        self._asked = asked
        self._reader: StatusReader | None = None
        self._expiring: list[str] = []
        self._ask_again = Throttle(EXPIRY_EVERY_S)

    def look(self) -> Status:
        """Look now. Raises `BrokerError` if no broker answers."""
        answer = self._asked.ask()
        if self._reader is None or self._reader.revision != answer.revision:
            self._reader = StatusReader(self._asked.trial, answer.revision)
        if self._ask_again.is_due():
            self._expiring = expiring(self._asked.trial)
        return replace(_status(self._asked.trial, self._reader, answer), expiring=self._expiring)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


def status(
    config: ConfigPath,
    follow: Follow = False,
    revision: Revision = None,
    max_age: MaxAge = "1h",
    as_json: Json = False,
) -> None:
    """Show a running trial: records and lag of each side, open windows, outcomes, criteria, incidents and roles.

    It reads topics only. With --follow it repeats until Ctrl-C, or until a bounded trial has ended.
    """
    watch = Watch(question(config, revision, max_age))
    try:
        now = watch.look()
        if follow and sys.stdout.isatty() and not as_json:
            _follow_in_place(watch.look, now)
            return
        _put(now, as_json=as_json)
        if follow:
            _follow_by_lines(watch.look, now, as_json=as_json)
    finally:
        watch.close()


def _put(now: Status, *, as_json: bool) -> None:
    if as_json:
        put_json(as_data(now))
        return
    for line in lines(now):
        if sys.stdout.isatty():
            console().print(live.styled(line, console().width))
        else:
            put(line.text)


def _follow_in_place(look: live.LookAt, now: Status) -> None:
    shown = live.screen(console())
    try:
        while not now.final:
            live.draw(shown, now)
            time.sleep(live.EVERY_S)
            now = live.again(look, now) or now
        live.draw(shown, now)
    finally:
        shown.stop()


def _follow_by_lines(look: live.LookAt, now: Status, *, as_json: bool) -> None:
    while not now.final:
        time.sleep(live.LINE_EVERY_S)
        now = live.again(look, now) or now
        if as_json:
            put_json(as_data(now))
        else:
            put(minute_line(now))


def as_data(status: Status) -> dict[str, Any]:
    """The status as JSON: the same figures."""
    return asdict(status)
