"""The starts of a trial's revisions in a topic of their own, so that nobody looks for them among all its marks.

`progress` gets marks as long as the trial runs and keeps them; `starts` gets five records a revision. Both are kept for
ever, both hold marks, and of a revision's start marks the first in `starts` is the one that counts.

======  ============================================================================================================
begin   where a revision begins, pinned before anything is waited for; the newest counts until there is a start mark
start   a revision's start mark. Who finds none writes one, and reads back which was the first
said    that one stands in `progress` too, where it names the revision to whoever follows the marks
warm    the warm-up of the revision is closed, and `progress` says so
moved   the starts that `progress` held before there was `starts` stand above: they need not be looked for again
======  ============================================================================================================

Each is flushed before the next is written, so a crash in between leaves one that is written (again): twice it says
nothing new. docs/decisions/0016 has the reasons.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from shadowstream.config import Config
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.records import Partition

log = get_logger("start")
FLUSH_S = 30.0
MOVED = frozenset((b"start", b"warm"))
"""Keys of what `progress` holds of it."""


class Starts:
    """What the records of `starts` say, in their order."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, Any]] = {}
        """The start mark that counts, by revision, in the order in which the revisions have begun."""
        self.begun: dict[str, dict[str, Any]] = {}
        """Of each revision the newest begin mark."""
        self.announced: set[str] = set()
        self.warm: set[str] = set()
        self.moved = False

    def ends(self) -> dict[Partition, int]:
        """Lowest E0 of all revisions, by output place of production: below it nothing belongs to a pair that counts.

        Not that of the newest: nobody may have joined yet what an earlier revision has answered. A revision that names
        no ends pairs from the very beginning.
        """
        found: dict[Partition, int] = {}
        for record in self.of.values():
            if not record["ends"]:
                return {}
            for place, end in marks.ends_of(record).items():
                found[place] = min(end, found.get(place, end))
        return found

    def add(self, record: dict[str, Any] | None) -> None:
        """Take one record; None, what cannot be one, says nothing."""
        if record is None:
            return
        kind, revision = record["kind"], record["revision"]
        if kind == "start":
            self.of.setdefault(revision, record)
        elif kind == "begin":
            self.begun[revision] = record
        elif kind == "said":
            self.announced.add(revision)
        elif kind == "warm":
            self.warm.add(revision)
        elif kind == "moved":
            self.moved = True


def read(config: Config, purpose: str) -> Starts:
    """What stands in `starts` now."""
    found = Starts()
    with contextlib.closing(MarksReader(config, purpose, "starts")) as reader:
        for _, record in reader.to_end():
            found.add(record)
    return found


def write(config: Config, writer: GuardedWriter, *records: dict[str, Any]) -> None:
    """Write records into `starts`; they are on the broker on return."""
    writer.write([marks.write(config.plan.of("starts"), record) for record in records])
    writer.flush(FLUSH_S)


def in_progress(config: Config, purpose: str, keeps_running: Callable[[], bool] = lambda: True) -> Starts | None:
    """The starts that `progress` holds, the whole of which is read, by keys; None once `keeps_running` gives False."""
    found, gone_on = Starts(), True

    def turned() -> None:
        nonlocal gone_on
        gone_on = gone_on and keeps_running()

    with contextlib.closing(MarksReader(config, purpose, keys=MOVED)) as reader:
        for _, record in reader.to_end(turned):
            found.add(record)
            if not gone_on:
                return None
    return found if gone_on else None


def move(config: Config, writer: GuardedWriter, keeps_running: Callable[[], bool]) -> Starts | None:
    """Take over the starts of an earlier release from `progress`; None, and nothing moved, once asked to stop."""
    old = in_progress(config, "runner", keeps_running)
    if old is None:
        return None
    announced = [marks.mark("said", revision) for revision in old.of]
    warm = [marks.mark("warm", revision) for revision in sorted(old.warm)]
    # In this order, and the last only when all before it are there: whoever dies in between has moved nothing.
    write(config, writer, *old.of.values(), *announced, *warm)
    write(config, writer, marks.mark("moved", ""))
    if old.of:
        log.info("start_marks_migrated", revisions=len(old.of))
    return read(config, "runner")


def pinned(config: Config, writer: GuardedWriter, record: dict[str, Any]) -> Starts:
    """Write a new start mark; what stands there then, in which another may have been first."""
    write(config, writer, record)
    return read(config, "runner")


def say(config: Config, writer: GuardedWriter, record: dict[str, Any]) -> None:
    """The start mark that counts, into `progress`; then that it stands there."""
    _say(config, writer, record, "said")


def close_warm_up(config: Config, writer: GuardedWriter, record: dict[str, Any]) -> None:
    """The warm mark, into `progress`; then that it stands there, or the joiner might wait for it for ever."""
    _say(config, writer, record, "warm")


def _say(config: Config, writer: GuardedWriter, record: dict[str, Any], kind: str) -> None:
    writer.write([marks.write(config.plan.of("progress"), record)])
    writer.flush(FLUSH_S)
    write(config, writer, marks.mark(kind, record["revision"]))
