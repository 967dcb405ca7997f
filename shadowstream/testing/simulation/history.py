"""What one seed stands for: a setup, inputs whose behaviour is written on them, and a list of actions.

A history is plain data. Playing it twice gives the same trial, and leaving out actions or inputs gives another valid
one, which is what the shrinker does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.records import Side

IDENTITIES = ("key", "coordinate", "id by header", "id by path", "occurrence")
REVISIONS = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100")
WINDOW_MS = 1_000
GRACE_MS = 2_000
LATE_GRACE_MS = 300
"""Where outputs are to come too late."""
TOLERANCE_MS = 300
DISORDER_MS = 600
IDLE_MS = 5_000
FUTURE_MS = 1_000
BEGIN_MS = 1_000_000
ORIGIN, CORRELATION = "origin", "cid"
INPUT, OUTPUTS, TWIN, JOB = "in", ("out", "out2"), "twin", "job"
RECORD_BYTES = 500
"""What a record counts for while it waits."""
ROUNDS = 3
"""Rounds of sentinels by which event time passes everything where nothing but time closes."""
RULES = [{"path": "near", "atol": 0.5}, {"path": "noise", "ignore": True}]
UNTIL = "2100-01-01T00:00:00Z"
DECLARED = {"name": "grade", "paths": ["grade"], "production": "old", "rate_max": 0.5, "until": UNTIL}
"""The change that is expected."""
CANDIDATE = "shadowstream.testing.simulation.candidate"
CALLS = [{"path": "asked", "call": f"{CANDIDATE}:ends"}, {"path": "answered", "call": f"{CANDIDATE}:tolerates"}]
ASKS_WHETHER = {"name": "unexplained", "paths": ["unexplained"], "call": f"{CANDIDATE}:ends", "rate_max": 0.5}
FAILURE = "failure"
"""Header or field by which production says that it failed."""
FAILS = "down"


class Answer(NamedTuple):
    """One output: its kind and its number among those of its input. Kinds: plain, near, noisy, declared, differs,
    failed, answered, unanswered, unexplained, unstable, vanishing, failing, tombstone, broken."""

    kind: str
    k: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """One input and what everybody makes of it. `answers` and `copies` are indexed by `Side`.

    `blind` are the sides whose outputs carry no identity; `copies` say after how many further outputs of its side an
    output comes a second time (-1: never), and `delays` after how many it comes at all: buffered while its input has
    been committed. `stamped` are the sides whose second copies bear another time of writing. `again`: its key is that
    of an earlier input within the dedupe span. `lost` are the sides whose outputs
    nobody can read: the client cannot decompress them, or compaction has removed them (`Setup.compacted`). `round` is
    the number of a sentinel, 0 for an ordinary input.
    """

    number: int
    partition: int
    time_ms: int
    key: str
    answers: tuple[tuple[Answer, ...], ...] = ((), (), ())
    absence: str | None = None
    jitter_ms: int = 0
    blind: tuple[Side, ...] = ()
    copies: tuple[int, int, int] = (-1, -1, -1)
    delays: tuple[int, int, int] = (0, 0, 0)
    topic: int = 0
    lost: tuple[Side, ...] = ()
    poison: bool = False
    ambiguous: bool = False
    round: int = 0
    stamped: tuple[Side, ...] = ()
    again: bool = False

    @property
    def id(self) -> bytes:
        """The correlation id, which is not the key."""
        return f"id-{self.key}".encode()

    def time_of(self, side: Side) -> int:
        """Event time of an output: the candidate's and the twin's is the input's own."""
        return self.time_ms + (self.jitter_ms if side is Side.PRODUCTION else 0)


@dataclass(frozen=True, slots=True)
class Setup:
    """The features of one trial."""

    seed: int
    identity: str = "key"
    many: bool = False
    inputs: int = 1
    outputs: int = 1
    topics: int = 1
    twin: bool = False
    commits: str | None = "after_output"
    adopted: str | None = None
    partitioner: str = "input"
    bounded: bool = True
    warm: int = 0
    span: int = 10
    idle: bool = False
    replays: bool = False
    late: bool = False
    retention: bool = False
    compacted: bool = False
    """Production's topics are compacted, and what is lost there has been removed before anybody read it."""
    shed: bool = False
    """Identities are shed in the midst of it."""
    maximum: int = 0
    """About so much ends in one commit at most; 0: all that can."""
    bound: int = 0
    """About so many records may wait in a joiner's memory; 0: all that there are. Only where the real roles play."""
    at_least_once: bool = False
    """Without transactions; only where the real roles play."""
    fails_by: str = ""
    """Where production says that it failed: header or path; nowhere if this is empty."""
    asks: bool = False
    """Functions compare some fields."""
    rechecks: bool = False
    """The candidate is called again where it differs."""

    @property
    def kind(self) -> str:
        return "id" if self.identity.startswith("id") else self.identity

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(Side) if self.twin else (Side.PRODUCTION, Side.SHADOW)

    @property
    def strict(self) -> bool:
        """Whether everybody keeps to the order of event time, but for a disorder within the grace.

        So it is where time decides what belongs together: what comes too late for that is corrected one by one, and
        the twin's not at all.
        """
        by_time = self.commits != "after_output" or self.adopted is not None
        by_time = by_time or (self.twin and self.identity != "coordinate")
        return self.identity == "occurrence" or ((self.many or self.twin) and by_time)

    @property
    def spills(self) -> bool:
        """Whether values may go to a file, where there is a bound."""
        return self.identity != "occurrence" and not self.many

    def correctable(self, outcome: str) -> bool:
        """Whether this outcome may have been said too early: where nothing but time decides it."""
        if self.strict:
            return False
        if outcome == "missing":
            return self.adopted == "unknown"
        named = self.adopted is None or self.identity == "coordinate"
        return self.commits != "after_output" or not named

    def config(self) -> Config:
        identity: dict[str, Any] = {
            "kind": self.kind,
            "outputs": "many" if self.many else "one",
            "dedupe_span": self.span,
            "tolerance_ms": TOLERANCE_MS,
        }
        if self.identity in ("coordinate", "id by header"):
            identity["header"] = ORIGIN if self.identity == "coordinate" else CORRELATION
        elif self.identity == "id by path":
            identity["path"] = "cid"
        production: dict[str, Any] = {"outputs": list(OUTPUTS[: self.topics])}
        if self.commits is not None:
            production |= {"group": "prod", "commits": self.commits}
        if self.fails_by:
            production["error"] = {self.fails_by: FAILURE, "equals": FAILS}
        candidate: dict[str, Any] = {
            "call": f"{CANDIDATE}:candidate",
            "isolation": "in-process",
            "trusted": True,
            "partitioner": self.partitioner,
            "output_format": "json",
        }
        if self.adopted:
            candidate = {"topic": JOB, "group": "job", "commits": self.adopted, "version": "1"}
        sections: dict[str, Any] = {
            "name": "sim",
            "inputs": [INPUT],
            "production": production,
            "candidate": candidate,
            "identity": identity,
            "compare": {
                "match_sample": 1,
                "examples": {"values": "shown"},  # rows name records by their ids
                "rules": [*RULES, *(CALLS if self.asks else [])],
                "expected": [DECLARED, *([{**ASKS_WHETHER, "until": UNTIL}] if self.asks else [])],
            },
            "judge": {"window_ms": WINDOW_MS},
            "start": "production-group" if self.warm else "earliest",
            "bounded": self.bounded,
            "grace_ms": LATE_GRACE_MS if self.late else GRACE_MS,
            "idle_ms": IDLE_MS,
            "future_ms_max": FUTURE_MS,
            "delivery": "at_least_once" if self.at_least_once else "exactly_once",
        }
        limits: dict[str, Any] = {}
        if self.maximum:
            limits["commit_records"] = 2 + self.maximum  # of real roles each commit takes its time
        if self.bound:
            limits |= {"pending_bytes_max": self.bound * RECORD_BYTES, "overflow": "spill" if self.spills else "hold"}
        sections["limits"] = limits
        if self.twin:
            sections["twin"] = {"topic": TWIN, "group": "prod-twin", "commits": "after_output"}
        config = Config.model_validate(sections)
        return _asking_twice(config) if self.rechecks else config


def _asking_twice(config: Config) -> Config:
    """The config with rechecks, of any number and without an end of the wait.

    A config may not say so of a candidate in the runner's process, which no simulated candidate ends.
    """
    update = {"recheck": "on_mismatch", "recheck_ms": 10**12, "recheck_share_max": 1.0}
    return config.model_copy(update={"candidate": config.candidate.model_copy(update=update)})


class Action(NamedTuple):
    """What somebody does: `which` chooses among partitions, tasks or processes, `n` says how many."""

    name: str
    which: int = 0
    n: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """A whole trial, before it is played. Inputs stand in the order of their arrival."""

    setup: Setup
    inputs: tuple[Input, ...]
    actions: tuple[Action, ...]

    def without(self, *, inputs: frozenset[int] = frozenset(), actions: frozenset[int] = frozenset()) -> History:
        """The same without some inputs (by number) and some actions (by place)."""
        return replace(
            self,
            inputs=tuple(one for one in self.inputs if one.number not in inputs),
            actions=tuple(one for place, one in enumerate(self.actions) if place not in actions),
        )

    def lines(self) -> list[str]:
        shown = [f"setup  {_described(self.setup)}"]
        shown += [f"input  {_described(one)}" for one in self.inputs]
        shown += [f"action {' '.join(map(str, one))}" for one in self.actions]
        return shown


def _described(one: Setup | Input) -> str:
    """The fields of a dataclass that say something."""
    shown_fields = []
    for field in fields(one):
        value = getattr(one, field.name)
        if field.name == "answers":
            kinds = [",".join(f"{answer.kind}{answer.k}" for answer in answers) or "-" for answers in value]
            shown_fields.append(f"answers={' | '.join(kinds)}")
        elif value != field.default:
            shown_fields.append(f"{field.name}={value!r}")
    return " ".join(shown_fields)
