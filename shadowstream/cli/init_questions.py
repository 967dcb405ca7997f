"""Questions of `init`: only what no sample shows, on a terminal; with --yes nothing is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import typer

from shadowstream.cli.output import printable, say, wrapped
from shadowstream.configfile import nearest
from shadowstream.errors import ConfigError
from shadowstream.first_config.field_rules import Proposal
from shadowstream.first_config.findings import Findings, Group, Seen
from shadowstream.first_config.wording import duration
from shadowstream.kafka.first_config.sampling import readable_topics

Answer = TypeVar("Answer")
TOPICS_SHOWN = 200
RULES_ASKED = 10


class Questions:
    """Questions to a person; `is_asking` is False where an option has to answer."""

    def __init__(self, *, yes: bool) -> None:
        if not (yes or sys.stdin.isatty()):
            raise ConfigError("--yes: there is no terminal to ask on; add it to write what the samples show")
        self.is_asking = not yes

    def topics(self, option: str, what: str, known: Mapping[str, int], taken: Sequence[str]) -> list[str]:
        """Ask for topics by number or name, until all of them exist and none is among `taken`."""
        self._need(option)
        readable = readable_topics(known)
        if not readable:
            raise ConfigError(f"{option}: the cluster shows no topic to this login; check its right to describe them")
        if not taken:
            self._list(readable, known)

        def chosen(text: str) -> list[str]:
            return checked_topics(option, [_named(word, readable) for word in _words(text)], known, taken)

        return self._until_valid(f"{what} (numbers or names, by comma)", chosen)

    def answer(self, option: str, question: str, parse: Callable[[str], Answer]) -> Answer:
        """Ask until `parse` takes the text."""
        self._need(option)
        return self._until_valid(question, parse)

    def group(self, groups: Sequence[Group]) -> str | None:
        """Ask which of several groups is production's; None if it is not known."""
        if not self.is_asking or not groups:
            return None
        say("consumer groups with commits on the inputs:")
        for n, one in enumerate(groups, start=1):
            say(f"{n:>4}  {one.name}  ({one.waiting:,} records wait for it)")
        while True:
            answer = typer.prompt(
                "Which is production's? (number; empty: unknown)", default="", show_default=False, err=True
            )
            if not answer.strip():
                return None
            if answer.strip().isdecimal() and 1 <= int(answer) <= len(groups):
                return groups[int(answer) - 1].name
            say(f"{answer!r}: give a number from 1 to {len(groups)}, or nothing")

    def commits_after_output(self, group: str | None) -> bool:
        if not self.is_asking or group is None:
            return False
        return self._confirmed(f"Does production (group {group}) commit an input only after its outputs are flushed?")

    def bounded(self, seen: Seen, group: str | None) -> bool:
        if not self.is_asking or not seen.is_still or group is None:
            return False
        age = duration(seen.now_ms - (seen.newest_input_ms or 0))
        return self._confirmed(f"The newest input is {age} old. Judge the records that are there, and end?")

    def rules(self, found: Findings) -> list[Proposal]:
        """Ask for each field that looks volatile whether it may differ."""
        asked = [one for one in found.proposals if one.is_volatile][: RULES_ASKED if self.is_asking else 0]
        confirmed = []
        for one in asked:
            say(wrapped(f"field {one.path}: {one.why}"))
            if self._confirmed("May the candidate's value differ from production's there?"):
                confirmed.append(one)
        return confirmed

    @staticmethod
    def _list(readable: Sequence[str], known: Mapping[str, int]) -> None:
        for n, topic in enumerate(readable[:TOPICS_SHOWN], start=1):
            say(f"{n:>4}  {topic}  ({known[topic]} partition{'s' * (known[topic] != 1)})")
        if len(readable) > TOPICS_SHOWN:
            say(f"      and {len(readable) - TOPICS_SHOWN} more, which can be given by name")

    @staticmethod
    def _until_valid(question: str, parse: Callable[[str], Answer]) -> Answer:
        while True:
            try:
                return parse(typer.prompt(question, err=True).strip())
            except ConfigError as error:
                say(wrapped(str(error)))

    def _need(self, option: str) -> None:
        if not self.is_asking:
            raise ConfigError(f"{option}: is needed with --yes, since no sample shows it")

    def _confirmed(self, question: str) -> bool:
        return typer.confirm(printable(question), default=False, err=True)


def checked_topics(
    option: str, topics: Sequence[str], known: Mapping[str, int], taken: Sequence[str] = ()
) -> list[str]:
    """Return topics once each. Raises `ConfigError` for none, an unknown one, one of a trial, and one in `taken`."""
    if not topics:
        raise ConfigError(f"{option}: name at least one topic")
    for topic in topics:
        if topic.startswith("shadow."):
            raise ConfigError(f"{option}: {topic!r} is a topic of a trial; name one of production's")
        if topic not in known:
            hint = nearest(topic, readable_topics(known))
            raise ConfigError(
                f"{option}: the cluster shows no topic {topic!r}; {hint} (or this login may not describe it)"
            )
        if topic in taken:
            raise ConfigError(f"{option}: {topic!r} is an input already; name a topic that production writes")
    return list(dict.fromkeys(topics))


def words_of(texts: Sequence[str] | None) -> list[str]:
    """Return the names of a repeated option, each of which may hold several by comma."""
    return [word for text in texts or () for word in _words(text)]


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]


def _named(word: str, readable: Sequence[str]) -> str:
    """Return the topic of a number in the list; a topic of that name comes first."""
    is_number = word.isdecimal() and word not in readable and 1 <= int(word) <= len(readable)
    return readable[int(word) - 1] if is_number else word
