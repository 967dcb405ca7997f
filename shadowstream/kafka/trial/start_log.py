"""Reading and writing of the topic `starts`, which holds the start marks apart from the many marks of `progress`.

`progress` gets marks as long as the trial runs; `starts` gets a few records for each revision. Both hold marks and keep
them for ever. Of a revision's start marks, the first in `starts` counts.

========  =============================================================================================================
begin     the start of a revision, pinned before any wait; the newest counts until there is a start mark
start     a revision's start mark; a process that finds none writes one, and reads back which was first
said      `progress` holds this start mark too, which names the revision to the readers of marks
confined  how the candidate's process was confined, once for each wording
until     where the inputs of the revision end by the config's `until`; the first counts
warm      the warm-up of the revision is closed, and `progress` holds its warm mark
moved     all start marks that an earlier release wrote to `progress` are above, so `progress` need not be searched
========  =============================================================================================================

Each record is flushed before the next is written. A crash in between makes the next process repeat one, and a repeated
record adds nothing. docs/decisions/0016 has the reasons.
"""

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
MOVED = frozenset((b"start", b"warm"))  # keys of those marks in `progress`


class Starts:
    """Content of `starts`."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, Any]] = {}
        """The start mark that counts, by revision, in the order of the revisions' starts."""
        self.begun: dict[str, dict[str, Any]] = {}  # the newest begin mark of each revision
        self.announced: set[str] = set()
        self.warm: set[str] = set()
        self.moved = False
        self.until: dict[str, dict[str, Any]] = {}
        """The mark of the trial's end by `until`, by revision: the first counts."""
        self.confined: dict[str, list[str]] = {}
        """How the candidate's process was confined, by revision; runners on several machines may differ."""

    def ends(self) -> dict[Partition, int]:
        """Return the lowest E0 of all revisions, by production's output partitions: no pair below it counts.

        The newest revision's E0 would be too high: outputs of an earlier revision may not be matched yet. A revision
        without ends is matched from the beginning.
        """
        found: dict[Partition, int] = {}
        for record in self.of.values():
            if not record["ends"]:
                return {}
            for place, end in marks.ends_of(record).items():
                found[place] = min(end, found.get(place, end))
        return found

    def add(self, record: dict[str, Any] | None) -> None:
        """Add one record; None, an unusable record, is ignored."""
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
        elif kind == "until":
            self.until.setdefault(revision, record)
        elif kind == "moved":
            self.moved = True
        elif kind == "confined":
            self.confined[revision] = list(dict.fromkeys([*self.confined.get(revision, []), *record["texts"]]))


def read(config: Config, purpose: str) -> Starts:
    found = Starts()
    with contextlib.closing(MarksReader(config, purpose, "starts", once=True)) as reader:
        for _, record in reader.to_end():
            found.add(record)
    return found


def write(config: Config, writer: GuardedWriter, *records: dict[str, Any]) -> None:
    """Write records to `starts`; they are on the broker on return."""
    writer.write([marks.write(config.plan.of("starts"), record) for record in records])
    writer.flush(FLUSH_S)


def in_progress(config: Config, purpose: str, keeps_running: Callable[[], bool] = lambda: True) -> Starts | None:
    """Read all start marks of `progress` by their keys; None once `keeps_running` returns False."""
    found, running = Starts(), True

    def turned() -> None:
        nonlocal running
        running = running and keeps_running()

    with contextlib.closing(MarksReader(config, purpose, keys=MOVED, once=True)) as reader:
        for _, record in reader.to_end(turned):
            found.add(record)
            if not running:
                return None
    return found if running else None


def move(config: Config, writer: GuardedWriter, keeps_running: Callable[[], bool]) -> Starts | None:
    """Copy the start marks of an earlier release from `progress`; None, with nothing written, once asked to stop."""
    old = in_progress(config, "runner", keeps_running)
    if old is None:
        return None
    announced = [marks.mark("said", revision) for revision in old.of]
    warm = [marks.mark("warm", revision) for revision in sorted(old.warm)]
    # The last record only after all others are flushed: after a crash in between, all are copied again.
    write(config, writer, *old.of.values(), *announced, *warm)
    write(config, writer, marks.mark("moved", ""))
    if old.of:
        log.info("start_marks_migrated", revisions=len(old.of))
    return read(config, "runner")


def announce(config: Config, writer: GuardedWriter, record: dict[str, Any]) -> None:
    """Write a start mark or warm mark to `progress`, for which the joiner waits; then note that in `starts`."""
    writer.write([marks.write(config.plan.of("progress"), record)])
    writer.flush(FLUSH_S)
    write(config, writer, marks.mark("warm" if record["kind"] == "warm" else "said", record["revision"]))


def note_confinement(config: Config, writer: GuardedWriter, revision: str, enforced: str) -> None:
    """Note how the candidate's process is confined, unless it is known; the verdict shows it."""
    if enforced not in read(config, "runner").confined.get(revision, []):
        write(config, writer, marks.mark("confined", revision, texts=[enforced]))
