"""A candidate far behind: what waits for it stays in Kafka, not in the joiner's memory, and nothing of it is lost."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from shadowstream.joiner.matching.pending import ROW_BYTES
from shadowstream.kafka.roles.joiner import BATCH
from shadowstream.testing import EmbeddedKafka
from tests.conftest import Say
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import commit
from tests.pipeline.trial_fixture import FIRST_MS, PARTITIONS, Trial, below
from tests.pipeline.written_records import await_that, ended, remainders

VALUE_BYTES = 200
STEP_MS = 10
RSS_MAX_MB = 600
RECEIVED_MAX = 2
"""So many times the topics' bytes the joiner may receive."""
COUNTED_BYTES = ROW_BYTES + VALUE_BYTES
"""What a waiting record counts for, its key left out."""

LAGGING = f"""
import time
from pathlib import Path

GATE = Path(__file__).with_name("gate")


def behind(order):
    while not GATE.exists():
        time.sleep(0.05)
    text = order["text"].rjust({VALUE_BYTES - 40}, "x")
    return {{"n": order["n"], "score": order["n"] * 7919 % 1_000_003, "text": text}}
"""


def candidate_output(n: int) -> bytes:
    """Production's answer to the n-th order: JSON of `VALUE_BYTES` bytes or a few less."""
    text = f"{n * 2_654_435_761 % 2**64:x}".rjust(VALUE_BYTES - 40, "x")
    return b'{"n":%d,"score":%d,"text":"%s"}' % (n, n * 7919 % 1_000_003, text.encode())


def asked(n: int) -> bytes:
    return b'{"n":%d,"text":"%x"}' % (n, n * 2_654_435_761 % 2**64)


def write(bootstrap: str, topic: str, values: Iterator[bytes]) -> int:
    """Write values, the n-th with key n to partition n % PARTITIONS; all are acknowledged on return."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    n = -1
    for n, value in enumerate(values):
        while True:
            try:
                producer.produce(topic, value, b"%d" % n, n % PARTITIONS, timestamp=FIRST_MS + n * STEP_MS)
                break
            except BufferError:
                producer.poll(0.05)
    assert producer.flush(120) == 0
    return n + 1


def peak_mb(process: subprocess.Popen[str]) -> int | None:
    """The greatest resident set of a process so far; None once it has ended."""
    return resident_mb(process, "VmHWM:")


def resident_mb(process: subprocess.Popen[str], line_of: str = "VmRSS:") -> int | None:
    """The resident set of a process now, or by another line of its status; None once it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    except OSError:
        return None
    found = [line for line in status.splitlines() if line.startswith(line_of)]
    return int(found[0].split()[1]) // 1024 if found else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What the joiner took, and what it wrote."""

    peak_mb: int
    topic_bytes: int
    figures: dict[str, Any]
    stats: list[dict[str, Any]]

    @property
    def pending_max(self) -> int:
        """No more records than these waited at once: the most of each task together."""
        peak: Counter[str] = Counter()
        for record in self.stats:
            peak[record["task"]] = max(peak[record["task"]], record["pending"])
        return peak.total()


def received_reading(bootstrap: str, topic: str) -> int:
    """Bytes that a consumer receives which reads a topic once from beginning to end: as it lies there, compressed."""
    total = 0

    def write_line(text: str) -> None:
        nonlocal total
        total = json.loads(text)["rx_bytes"]

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "tests-size",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "statistics.interval.ms": 200,
            "stats_cb": write_line,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    left = PARTITIONS
    while left:
        found = consumer.consume(10_000, 1.0)
        left -= sum(message.error() is not None for message in found)
    consumer.consume(1, 0.5)  # the last statistics
    consumer.close()
    return total


def await_still(trial: Trial, still_s: float = 1.5) -> None:
    """Until the joiner has read no more of production for a while: every task of it is full."""
    last, since = -1, time.monotonic()

    def still() -> bool:
        nonlocal last, since
        read = len(trial.records("stats"))
        if read != last:
            last, since = read, time.monotonic()
        return time.monotonic() - since > still_s

    await_that("production is read no further", still)


def ran_with_lag(trial: Trial, orders: int, limit_s: float) -> Measured:
    """Everything of production is there and read as far as the joiner likes before the candidate answers its first."""
    assert write(trial.bootstrap, trial.input, map(asked, range(orders))) == orders
    assert write(trial.bootstrap, trial.output, map(candidate_output, range(orders))) == orders
    commit(trial, trial.group, below(orders))
    running = {role: trial.start(role, "--json") for role in ("run", "join")}
    try:
        await_that("production is held back", lambda: "side_held_back" in trial.log_text("join"))
        await_still(trial)
        (trial.folder / "gate").touch()
        peak, deadline = 0, time.monotonic() + limit_s
        while running["join"].poll() is None:
            peak = max(peak, peak_mb(running["join"]) or 0)
            assert running["run"].poll() in (None, 0), (running["run"].poll(), trial.log_text("run")[-2_000:])
            assert time.monotonic() < deadline, trial.log_text("join")[-2_000:]
            time.sleep(0.1)
        figures = json.loads(trial.finish(running["join"], "join"))
        trial.finish(running["run"], "run")
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    size = sum(received_reading(trial.bootstrap, topic) for topic in (trial.output, trial.topic(f"out.{trial.output}")))
    return Measured(peak, size, figures, trial.records("stats"))


def check(measured: Measured, orders: int, bound: int) -> None:
    assert ended(measured.stats) == {"match": orders}
    assert remainders(measured.stats) == {}
    # What comes in one turn of the loop may go over a task's share of the bound.
    assert measured.pending_max * COUNTED_BYTES < bound + PARTITIONS * BATCH * COUNTED_BYTES


def reported(measured: Measured) -> str:
    received = measured.figures["received_bytes"]
    return f"received {received / 1e6:.1f} MB, {received / measured.topic_bytes:.2f} times what the topics hold"


def test_production_far_ahead_waits_in_kafka(make_trial: MakeTrial, say: Say) -> None:
    orders, bound = 60_000, 5_000_000
    trial = make_trial("behind", LAGGING, "behind", limits={"pending_bytes_max": bound}, compare={"match_sample": 0})
    measured = ran_with_lag(trial, orders, 60)
    check(measured, orders, bound)
    assert measured.pending_max > 1_000
    say(f"{orders:,} behind: at most {measured.pending_max:,} in memory, peak RSS {measured.peak_mb} MB")
    say(reported(measured))
    # Six partitions of a megabyte each: a prefetched queue that is thrown away is a large part of them.
    assert 0 < measured.figures["received_bytes"] < 5 * RECEIVED_MAX * measured.topic_bytes


@pytest.mark.long
def test_five_million_records_ahead_fit_into_600_mb(tmp_path: Path, say: Say) -> None:
    orders = 5_000_000
    with EmbeddedKafka() as broker:
        trial = Trial(broker.bootstrap, "far-behind", tmp_path, LAGGING, "trial_candidate:behind")
        trial.write_config(limits={}, compare={"match_sample": 0})
        trial.create_topics()
        began = time.monotonic()
        measured = ran_with_lag(trial, orders, 600)
        seconds = time.monotonic() - began
    figures = measured.figures
    say(
        f"{orders:,} records of {VALUE_BYTES} bytes ahead: peak RSS of the joiner {measured.peak_mb} MB, at most "
        f"{measured.pending_max:,} records in memory; {figures['wall_s']} s, {figures['cpu_s']} CPU s, "
        f"{figures['records_per_s']:,} records/s; {seconds:.0f} s with producing and the candidate"
    )
    say(reported(measured))
    check(measured, orders, trial.config.limits.pending_bytes_max)
    assert measured.peak_mb <= RSS_MAX_MB
    assert measured.figures["received_bytes"] <= RECEIVED_MAX * measured.topic_bytes
