"""Watch of one trial for the live page: a thread that reads its topics, and the figures that it keeps."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shadowstream.config import Config
from shadowstream.errors import ShadowstreamError
from shadowstream.judge.verdict.explain import Explanation
from shadowstream.kafka.operator_commands import Commands
from shadowstream.kafka.reading.pair_reader import PairReader, PairRecords
from shadowstream.kafka.reading.topic_tails import Tail, TailRecord, TopicTails
from shadowstream.kafka.status_reader import StatusReader
from shadowstream.kafka.trial.hash_key import keyed_for_reading
from shadowstream.logs import get_logger
from shadowstream.protocol.command_signatures import CommandCheck
from shadowstream.protocol.verdict_signatures import SignedVerdicts
from shadowstream.report.facts import History, Point
from shadowstream.status.differing_rows import DifferingRows, Filter, Page, TypicalDelta
from shadowstream.status.figures import Status
from shadowstream.status.rate_course import RateCourse, WindowRate
from shadowstream.status.summary import Decision, Look, status_of
from shadowstream.status.words import key_text

log = get_logger("web")
EVERY_S, IDLE_EVERY_S = 2.0, 60.0
"""Time between two looks, while a page is open and else."""
OPEN_S = 10.0
"""A page that has not asked for so long is closed."""
ANSWERS = {
    "verdict": Tail("verdict", None, is_signed=True),
    "commands": Tail("command", None),
    "audit": Tail("verdict", 20_000),
    "drift": Tail("drift", 2_000),
}
"""The topics that are read first, and how much of each at the start."""
EVIDENCE = {"diff": Tail("diff", 200_000)}
STATS_READ = 10_000
"""Stats records of a partition at the start; counts of the whole trial come from its last verdict."""
REVISIONS_MAX, DRIFT_MAX = 4, 100
_DRAWN = (
    *("rate", "n", "s", "estimate", "lower", "upper", "limit"),
    *("log_e_below", "log_e_above", "log_promote_at", "log_reject_at"),
)
"""Fields of a criterion that the plots need; the rest of four hundred verdicts would fill the memory."""
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate's answer for one revision, and its explanation. `verdict`: None if there is none."""

    revision: str
    decision: str
    reasons: Sequence[str]
    explanation: Explanation
    verdict: Record | None


Ask = Callable[[SignedVerdicts, Commands, str, int], Gate]
"""The gate: last verdicts by revision, people's commands, a revision and the time; it returns its answer."""


@dataclass(frozen=True, slots=True)
class RevisionFigures:
    """Figures of one revision. `rows`: kept rows that differ. `status`: only of the config's own revision."""

    gate: Gate
    history: Sequence[Point] = ()
    windows: Mapping[str, Sequence[WindowRate]] = field(default_factory=dict)
    drift: Sequence[Record] = ()
    fields: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    typical: Mapping[str, TypicalDelta] = field(default_factory=dict)
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """Figures of a trial at one moment. `own`: the config's revision. `problem`: why the figures are old, if so.
    `reading`: not all that was written before the start has been read yet."""

    name: str
    own: str
    revisions: Mapping[str, RevisionFigures] = field(default_factory=dict)
    looked_ms: int | None = None
    rows_dropped: int = 0
    problem: str | None = None
    reading: bool = True
    number: int = 0


@dataclass(slots=True)
class _Course:
    history: History
    windows: RateCourse
    drift: deque[Record]


class TrialWatch:
    """Watch of one trial, from `start` to `stop`. It assigns partitions, joins no group, commits and writes nothing."""

    def __init__(self, config: Config, path: str, revision: str, ask: Ask) -> None:
        self.config, self.path, self._ask = config, path, ask
        self.figures = TrialFigures(config.name, revision)
        """The last figures; another thread replaces them as a whole."""
        self._answers, self._evidence = (
            TopicTails(config, "web", {config.plan.of(topic): tail for topic, tail in tails.items()})
            for tails in (ANSWERS, EVIDENCE)
        )
        self._status = StatusReader(config, revision, self._take_stats, STATS_READ)
        self._pairs: PairReader | None = None
        self._looked: Look | None = None
        self._verdicts = SignedVerdicts(config.name, config.signing_keys)
        self._commands = Commands(CommandCheck(config.name, config.commands_key))
        self._courses: dict[str, _Course] = {}
        self._replaced: set[str] = set()
        self._rows = DifferingRows()
        self._lock = threading.Lock()
        """Guards `_rows`, which a page asks while records come."""
        self._over = False
        self._wake = threading.Event()
        self._wanted_at: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {config.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over = True
        self._wake.set()

    def want(self) -> TrialFigures:
        """Return the last figures, and have them kept up to date. Before the first call nothing is read."""
        idle = self._wanted_at is None or time.monotonic() - self._wanted_at > OPEN_S
        self._wanted_at = time.monotonic()
        if idle:
            self._wake.set()
        return self.figures

    def page(self, wanted: Filter, number: int) -> Page:
        """Return a page of the rows that differ."""
        with self._lock:
            return self._rows.page(wanted, number)

    def pair(self, row: Record) -> PairRecords:
        """Read the records of a row of diff. It waits for the broker."""
        if self._pairs is None:
            self.config = keyed_for_reading(self.config)
            self._pairs = PairReader(self.config)
        return self._pairs.read(row)

    def _run(self) -> None:
        while True:
            is_open = self._wanted_at is not None and time.monotonic() - self._wanted_at < OPEN_S
            self._wake.wait(None if self._wanted_at is None else EVERY_S if is_open else IDLE_EVERY_S)
            self._wake.clear()
            if self._over:
                break
            try:
                self.look()
            except ShadowstreamError as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - the page shows it, and the next look may succeed
                log.error("look_failed", trial=self.config.name, error=repr(error)[:500])
                self._fail("shadowstream failed to read the trial; its log has the reason")
        for reader in (self._answers, self._evidence, self._status):
            reader.close()

    def _fail(self, problem: str) -> None:
        self.figures = replace(self.figures, problem=problem, number=self.figures.number + 1)

    def look(self) -> None:
        """Read what has come, and replace the figures. Raises `BrokerError` if no broker answers."""
        for found in self._answers.turn():
            self._take(found)
        was_read = self._looked is not None
        self._publish(is_read=was_read)
        published = time.monotonic()
        for found in self._evidence.turn():
            self._take(found)
            if time.monotonic() - published > EVERY_S:
                self._publish(is_read=was_read)
                published = time.monotonic()
        if not was_read:  # the statistics of a whole trial take longest
            self._publish(is_read=False)
        self._looked = self._status.look()
        self._publish(is_read=True)

    def _publish(self, *, is_read: bool) -> None:
        own, looked = self.figures.own, self._looked
        now_ms = time.time_ns() // 1_000_000
        gates = {revision: self._ask(self._verdicts, self._commands, revision, now_ms) for revision in self._shown()}
        revisions = {revision: self._of_revision(gate) for revision, gate in gates.items()}
        if looked is not None:
            gate = gates[own]
            status = status_of(self.config, looked, Decision(own, gate.decision, gate.reasons, gate.verdict))
            revisions[own] = replace(revisions[own], status=status)
        number, reading = self.figures.number + 1, not is_read
        self.figures = TrialFigures(
            self.config.name, own, revisions, now_ms, self._rows.dropped, reading=reading, number=number
        )

    def _shown(self) -> list[str]:
        """The config's own revision, then the newest others with a verdict."""
        others = [revision for revision in reversed(self._verdicts.last) if revision != self.figures.own]
        return [self.figures.own, *others[: REVISIONS_MAX - 1]]

    def _of_revision(self, gate: Gate) -> RevisionFigures:
        course = self._courses.get(gate.revision)
        figures = RevisionFigures(gate)
        if course is not None:
            figures = replace(
                figures, history=course.history.points, windows=course.windows.rates(), drift=tuple(course.drift)
            )
        with self._lock:
            rows = self._rows.summary(gate.revision)
        return replace(figures, fields=rows.fields, outcomes=rows.outcomes, typical=rows.deltas)

    def _take(self, found: Sequence[TailRecord]) -> None:
        for one in found:
            topic = one.topic.rpartition(".")[2]
            if topic != "diff":
                self._take_own(topic, one)
        diff = self.config.plan.of("diff")
        with self._lock:
            for one in found:
                if one.topic == diff:
                    self._rows.take(one.record, one.raw, key_text(one.record))

    def _take_own(self, topic: str, one: TailRecord) -> None:
        record = one.record
        if topic == "verdict":
            self._verdicts.take(record["revision"].encode(), one.raw, one.signature)
        elif topic == "commands":
            self._commands.take(record)
        elif (course := self._course(record["revision"])) is None:
            return
        elif topic == "audit":
            course.history.take(_slim(record))
        else:
            course.drift.append(record)

    def _take_stats(self, record: Record) -> None:
        self._course(record["revision"])
        for course in self._courses.values():  # a delta may be of another revision than its record
            course.windows.add(record)

    def _course(self, revision: str) -> _Course | None:
        """The course of a revision; None of one that newer ones have replaced."""
        if revision not in self._courses and revision not in self._replaced:
            others = [known for known in self._courses if known != self.figures.own]
            if revision != self.figures.own and len(others) >= REVISIONS_MAX - 1:
                del self._courses[others[0]]
                self._replaced.add(others[0])
            windows = RateCourse(self.config, revision)
            self._courses[revision] = _Course(History(revision), windows, deque(maxlen=DRIFT_MAX))
        return self._courses.get(revision)


def _slim(verdict: Record) -> Record:
    criteria = [{name: one[name] for name in _DRAWN} for one in verdict["criteria"]]
    return {
        "revision": verdict["revision"],
        "to_ms": verdict["to_ms"],
        "decision": verdict["decision"],
        "criteria": criteria,
    }
