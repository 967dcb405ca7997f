"""From record to row: how long after a pair's second record its row of diff is readable, at paced rates; and idle CPU.

`python -m bench.latency` starts a broker and one joiner with its defaults, writes both sides at each rate (records a
second of both together) and reads `diff` as a subscriber does: committed rows only. 2 % of the pairs differ. Idle is
the CPU of the joiner while nothing comes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, Producer

from bench import measure, ours
from bench.workloads import PARTITIONS, Topics, Workload, load
from shadowstream.codecs import own
from shadowstream.testing import EmbeddedKafka

RATES = 1_000, 10_000, 50_000
SECONDS, SETTLE_S, IDLE_S, READY_S = 15.0, 3.0, 10.0, 60.0
NAME = "latency"


class Rows(threading.Thread):
    """Reads rows of diff until stopped: for each the ms from its pair's event time, which is when it was written."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.found: list[tuple[float, float]] = []
        """Event time in ms, and ms until the row could be read."""
        self.over = threading.Event()
        settings = {"bootstrap.servers": bootstrap, "group.id": "rows", "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**settings, "isolation.level": "read_committed", "fetch.wait.max.ms": 10})
        self._consumer.subscribe([f"shadow.{NAME}.diff"])

    def run(self) -> None:
        while not self.over.is_set():
            messages = self._consumer.consume(1, 0.2)
            now_ms = time.time() * 1_000
            for message in messages:
                if message.error() is None and (value := message.value()) is not None:
                    time_ms = float(own.read("diff", value)["time_ms"])
                    self.found.append((time_ms, now_ms - time_ms))
        self._consumer.close()


def write(bootstrap: str, topics: Topics, per_s: int, seconds: float, first: int) -> int:
    """Write pairs at a pace of `per_s` records a second; return the number of the next pair."""
    made = list(topics.workload.pairs(100))
    settings = {"bootstrap.servers": bootstrap, "linger.ms": 1, "compression.type": "lz4"}
    # What a busy machine writes late still counts from its pace.
    producer = Producer({**settings, "queue.buffering.max.messages": 2_000_000})
    began, n = time.monotonic(), first
    while (passed := time.monotonic() - began) < seconds:
        due = first + int(passed * per_s / 2)
        while n < due:
            key, (_, production, shadow) = b"l%09d" % n, made[n % 100]
            now_ms = time.time_ns() // 1_000_000
            producer.produce(topics.production, production, key, n % PARTITIONS, timestamp=now_ms)
            producer.produce(topics.shadow, shadow, key, n % PARTITIONS, timestamp=now_ms)
            n += 1
            if n % 500 == 0:
                producer.poll(0)
        producer.poll(0)
        time.sleep(0.002)
    producer.flush(30)
    return n


def measured(rates: tuple[int, ...] = RATES, seconds: float = SECONDS) -> Iterator[dict[str, Any]]:
    """Yield the idle CPU of the joiner in percent of a core, then the latencies at each rate."""
    topics = Topics(Workload("flat-100"), 1)
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka() as kafka:
        folder = Path(directory)
        load(kafka.bootstrap, topics)
        topics.workload.write_schema(folder / topics.stem)
        path = ours.write_config(kafka.bootstrap, topics, NAME, folder)
        document = yaml.safe_load(path.read_text("utf-8"))
        del document["limits"]  # the defaults
        path.write_text(yaml.safe_dump(document), "utf-8")
        ours.say_start(kafka.bootstrap, path, topics)
        log = folder / "join.log"
        with log.open("wb") as errors:
            joiner = subprocess.Popen([sys.executable, "-m", "shadowstream", "join", str(path)], stderr=errors)
        rows = Rows(kafka.bootstrap)
        rows.start()
        try:
            n = _until_a_row(kafka.bootstrap, topics, rows, log)
            time.sleep(SETTLE_S)
            before, began = measure.cpu_s(joiner.pid), time.monotonic()
            time.sleep(IDLE_S)
            spent = (measure.cpu_s(joiner.pid) - before) / (time.monotonic() - began)
            yield {"varied": "idle", "cpu_percent": round(100 * spent, 2)}
            for per_s in rates:
                begin_ms, before, began = time.time() * 1_000, measure.cpu_s(joiner.pid), time.monotonic()
                n = write(kafka.bootstrap, topics, per_s, seconds, n)
                spent = (measure.cpu_s(joiner.pid) - before) / (time.monotonic() - began)
                time.sleep(SETTLE_S)
                of_rate = sorted(ms for time_ms, ms in list(rows.found) if time_ms >= begin_ms)
                yield {
                    "varied": "rate",
                    "at": per_s,
                    "rows": len(of_rate),
                    "p50_ms": round(statistics.median(of_rate), 1),
                    "p99_ms": round(of_rate[int(0.99 * len(of_rate))], 1),
                    "cpu_percent": round(100 * spent, 1),
                }
        finally:
            rows.over.set()
            rows.join()
            joiner.terminate()
            joiner.wait()


def _until_a_row(bootstrap: str, topics: Topics, rows: Rows, log: Path) -> int:
    """Write a few pairs now and then until the joiner has started; return the number of the next pair."""
    n, until = 1_000_000, time.monotonic() + READY_S
    while not rows.found:
        if time.monotonic() > until:
            raise SystemExit(
                f"the joiner wrote no row in {READY_S:.0f} s: {log.read_text('utf-8', 'replace')[-1_500:]}"
            )
        n = write(bootstrap, topics, 400, 1.0, n)
    return n


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = parser.parse_args()
    for row in measured(tuple(asked.rates), asked.seconds):
        print(json.dumps(row))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
