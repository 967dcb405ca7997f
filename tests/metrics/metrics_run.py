"""One run of three roles that makes every metric move, with what an independent reader finds beside it.

The candidate has every fault of the pipeline's and from `LATE` on a mismatch in each record. It waits at a gate once it
has seen `GATED` inputs, so that production is ahead and the lag stands still; a record of its outputs is deleted before
the joiner reads it; production writes the partner of a record that was said to be extra after all; the broker refuses a
commit of the runner and one of the joiner.
"""

import json
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
)

from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.metrics.scraping import Probed, Scrape
from tests.pipeline.candidates import ADDS, DROPS, FAULTY, IGNORED, OUT_OF, RAISES, TOLERATED, answer
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Production, Trial, order, time_ms
from tests.pipeline.written_records import await_that, ended

ORDERS = 1_200
HALF = ORDERS // 2
GATED = 300
LATE = 700
SKIPPED = 92
"""An order that nobody can read; production skips it."""
PROMOTED = 150
"""An order that both answer with the same number in Avro, production's an int and the candidate's a long."""
PENDING_BYTES_MAX = 50_000
ROLES = {"runner": "run", "joiner": "join", "judge": "judge"}
ENDS_WELL = ("judge", "alerts")
"""No commit of these is refused: they end when they are asked to, with 0."""

WATCHED = (
    FAULTY
    + f"""

import time
from pathlib import Path

GATE = Path(__file__).with_name("gate")
seen = 0


def watched(order):
    global seen
    seen += 1
    while seen > {GATED} and not GATE.exists():
        time.sleep(0.02)
    said = faulty(order)
    if order["n"] == {PROMOTED}:
        return bytes.fromhex("00000000020a")
    if order["n"] >= {LATE} and isinstance(said, dict):
        said["tags"] = ["late"]
        said["x" * 300] = "longer than a path in a row may be"
    return said


class Watched:
    calls = 0

    def __call__(self, order):
        self.calls += 1
        return watched(order)

    def snapshot(self):
        return str(self.calls).encode()

    def restore(self, snapshot):
        self.calls = int(snapshot)
"""
)


def raw_order(n: int) -> bytes:
    return b"\xff" if n == SKIPPED else json.dumps(order(n)).encode()


def say(value: bytes) -> bytes | None:
    """Production's answer."""
    if value == b"\xff":
        return None
    read = json.loads(value)
    return bytes.fromhex("00000000010a") if read["n"] == PROMOTED else json.dumps(answer(read)).encode()


def outcomes_of(n: int) -> list[str]:
    """What the n-th order ends in, told from the candidate's text above."""
    kind = n % OUT_OF
    if n == SKIPPED:
        return []
    if kind in (DROPS, RAISES):
        return ["missing" if kind == DROPS else "candidate_error"]
    if kind == ADDS:
        return ["match", "extra"]
    if n >= LATE:
        return ["mismatch"]
    return [{TOLERATED: "tolerated", IGNORED: "ignored"}.get(kind, "match")]


CORRECTED = 6 * OUT_OF + ADDS
"""The order whose added record production answers too, when it has been said to be extra: within a day of the last."""


def verdict_first() -> Counter[str]:
    """Of all orders but for the deleted record: its order is missing instead of a match."""
    found = Counter(outcome for n in range(ORDERS) for outcome in outcomes_of(n))
    return found + Counter(missing=1) - Counter(match=1)


def expected_outcomes() -> Counter[str]:
    """As `verdict_first`, but for the one that is corrected."""
    return verdict_first() + Counter(match=1) - Counter(extra=1)


@dataclass(slots=True)
class Reader:
    """Looks at the cluster without a line of shadowstream."""

    admin: AdminClient

    def ends(self, topic: str) -> dict[int, int]:
        """High watermarks by partition."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # theirs
        asked = self.admin.list_offsets({TopicPartition(topic, p): latest for p in range(PARTITIONS)})
        return {place.partition: answer.result(30).offset for place, answer in asked.items()}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Committed offsets by partition; 0 where there is none."""
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in range(PARTITIONS)])
        found = self.admin.list_consumer_group_offsets([asked])[group].result(30).topic_partitions
        return {place.partition: max(place.offset, 0) for place in found}

    def limit_batches(self, topic: str, largest: int | None) -> None:
        """Let the broker refuse larger batches for this topic; None takes that back."""
        change = AlterConfigOpType.DELETE if largest is None else AlterConfigOpType.SET
        entry = ConfigEntry("max.message.bytes", str(largest or ""), incremental_operation=change)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        for done in self.admin.incremental_alter_configs([resource]).values():
            done.result(30)

    def delete_first(self, topic: str, partition: int) -> None:
        """Delete the first record of a partition."""
        for deleted in self.admin.delete_records([TopicPartition(topic, partition, 1)]).values():
            deleted.result(30)


@dataclass(slots=True)
class Run:
    """The run, its scrapes by moment and role, and what the independent reader found at that moment."""

    trial: Trial
    reader: Reader
    probes: dict[str, Probed]
    waiting: dict[str, int | None] = field(default_factory=dict)
    unready: Scrape = field(default_factory=lambda: Scrape(""))
    ahead: dict[str, Scrape] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    done: dict[str, Scrape] = field(default_factory=dict)
    ready: dict[str, int | None] = field(default_factory=dict)
    refused: dict[str, Scrape] = field(default_factory=dict)
    stats: list[dict[str, Any]] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)
    exit_codes: dict[str, int] = field(default_factory=dict)

    @property
    def out(self) -> str:
        return self.trial.topic(f"out.{self.trial.output}")

    def start(self, role: str) -> subprocess.Popen[str]:
        return self.trial.start(ROLES.get(role, f"{role} run"), "--listen", self.probes[role].listen)


def prepare(kafka: Broker, folder: Path) -> Run:
    """All orders are there, and production has answered half of them."""
    schemas = folder / "schemas"
    schemas.mkdir()
    for number, kind in ((1, "int"), (2, "long")):
        schema = {"type": "record", "name": "N", "fields": [{"name": "n", "type": kind}]}
        (schemas / f"{number}.promoted.avsc").write_text(json.dumps(schema), "utf-8")
    limits = {"commit_ms": 200, "commit_records": 100, "pending_bytes_max": PENDING_BYTES_MAX}
    settings = {**UNBOUNDED, "schemas": {"dir": str(schemas)}, "limits": limits}
    settings["judge"] = {"drift": {"min_records": 20}}
    name, call = f"watched-{uuid4().hex[:8]}", "trial_candidate:Watched"
    trial = Trial(kafka.bootstrap, name, folder, WATCHED, call, settings=settings)
    compare = trial.document()["compare"] | {"latency": {"over_ms": 1_000}}
    trial.write_config(candidate={"call": trial.call, "trusted": True, "state": "snapshot"}, compare=compare)
    trial.create_topics()
    trial.write_orders(range(ORDERS), raw_order)
    Production(trial, say).work(HALF)
    reader = Reader(AdminClient({"bootstrap.servers": kafka.bootstrap}))
    return Run(trial, reader, {role: Probed(free_port()) for role in (*ROLES, "alerts")})


def play(run: Run) -> None:
    """See the head of this file."""
    processes: dict[str, subprocess.Popen[str]] = {}
    try:
        _get_ahead(run, processes)
        (run.trial.folder / "gate").touch()
        _finish(run)
        _alert(run, processes)
        _be_refused(run)
        for role in ENDS_WELL:
            processes[role].send_signal(signal.SIGTERM)
        for role in ENDS_WELL:
            processes[role].wait(30)
            run.exit_codes[role] = processes[role].returncode
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def _get_ahead(run: Run, processes: dict[str, subprocess.Popen[str]]) -> None:
    """Until the runner stands at the gate, and the joiner holds production back, which has gone on."""
    trial = run.trial
    processes |= {role: run.start(role) for role in ("joiner", "judge")}
    joiner = processes["joiner"]
    await_that("the joiner waits for the start", lambda: "waiting_for_start_mark" in trial.log_text("join"))
    run.waiting = {path: run.probes["joiner"].status(path) for path in ("/healthz", "/readyz")}
    run.unready = run.probes["joiner"].scrape()
    joiner.send_signal(signal.SIGSTOP)
    processes["runner"] = run.start("runner")

    def stands(scrape: Scrape) -> bool:
        committed = run.reader.committed(f"shadow.{trial.name}.runner", trial.input)
        run.left["runner"] = ORDERS - sum(committed.values())
        return 0 < scrape.value("lag_records", side="input") == run.left["runner"] < ORDERS

    run.ahead["runner"] = run.probes["runner"].await_scrape("the runner's lag is what it has left", stands)
    written = run.reader.ends(run.out)
    run.reader.delete_first(run.out, next(partition for partition, end in written.items() if end))
    joiner.send_signal(signal.SIGCONT)
    await_that("production is held back", lambda: "side_held_back" in trial.log_text("join"))
    Production(trial, say).work(ORDERS)

    def lags(scrape: Scrape) -> bool:
        read = {
            source["partition"]: source["to_offset"]
            for record in trial.records("stats")
            for source in record["sources"]
            if source["topic"] == trial.output
        }
        run.left["joiner"] = sum(run.reader.ends(trial.output).values()) - sum(read.values())
        return 0 < run.left["joiner"] == scrape.value("lag_records", side="production")

    run.ahead["joiner"] = run.probes["joiner"].await_scrape("the joiner's lag is what it has left", lags)
    run.ahead["judge"] = run.probes["judge"].await_scrape(
        "the judge has said something", lambda scrape: scrape.value("verdict") == 1
    )


def _await_outcomes(run: Run, expected: Counter[str]) -> None:
    def over() -> bool:
        run.stats = run.trial.records("stats")
        return ended(run.stats) == expected and run.stats[-1]["pending"] == 0

    await_that(f"outcomes are {dict(expected)}", over)


def _finish(run: Run) -> None:
    """Until everything has ended, and every role has said so."""
    _await_outcomes(run, verdict_first())
    late = Write(say(raw_order(CORRECTED)), b"added-%d" % CORRECTED, CORRECTED % PARTITIONS, time_ms(CORRECTED))
    produce_all(run.trial.bootstrap, run.trial.output, [late])
    _await_outcomes(run, expected_outcomes())
    rests = {
        "runner": lambda scrape: scrape.value("lag_records") == 0,
        "joiner": lambda scrape: scrape.value("lag_records") == 0 == scrape.value("pending_records"),
        "judge": lambda scrape: scrape.value("records_total") == len(run.stats),
    }
    for role, rest in rests.items():
        run.done[role] = run.probes[role].await_scrape(f"the {role} is at its end", rest)
        run.ready[role] = run.probes[role].status("/readyz")
    run.written = {topic: len(read_all(run.trial.bootstrap, topic)) for topic in (run.trial.output, run.out)}


def _alert(run: Run, processes: dict[str, subprocess.Popen[str]]) -> None:
    """The incident is delivered to the log."""
    processes["alerts"] = run.start("alerts")
    run.done["alerts"] = run.probes["alerts"].await_scrape(
        "the incident is delivered", lambda scrape: scrape.value("deliveries_total") > 0
    )
    await_that("the alerts role is ready", lambda: run.probes["alerts"].status("/readyz") == 200)


def _be_refused(run: Run) -> None:
    """The broker refuses a commit of the runner and one of the joiner. What becomes of them then is not asked here:
    after such a refusal the client's next transaction may stall, and the role ends for its supervisor."""
    for topic in (run.out, run.trial.topic("stats")):
        run.reader.limit_batches(topic, 1)
    run.trial.write_orders(range(ORDERS, ORDERS + PARTITIONS))
    Production(run.trial, say).work(ORDERS + PARTITIONS)
    for role in ("runner", "joiner"):
        run.refused[role] = run.probes[role].await_scrape(
            f"the {role} has aborted", lambda scrape: scrape.value("aborts_total") > 0
        )


LAST_MS = time_ms(ORDERS - 1)
