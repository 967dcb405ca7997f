"""From record to row: how long after the append of a pair's second record its row of diff is readable; and idle CPU.

`python -m bench.latency` starts a broker and one joiner with its defaults, writes both sides at each rate (records a
second of both together) and reads `diff` as a subscriber does: committed rows only. 2 % of the pairs differ. Idle is
the CPU of the joiner while nothing comes. A row with `reasons` does not count: the load was not the one of its rate, or
the machine had no core for the joiner.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer

from bench import measure, ours, paced
from bench.workloads import PARTITIONS, Topics, Workload
from shadowstream.codecs import own
from shadowstream.records import Partition
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.topics import Write, produce_all

RATES = 1_000, 10_000, 50_000
SECONDS, SETTLE_S, IDLE_S, READY_S, ROWS_S = 15.0, 3.0, 10.0, 60.0, 30.0
LATE_MAX_MS = 250
"""Half of the default `limits.commit_ms`: a generator that is later writes in bursts."""
CORE_WAIT_MAX = 25
"""Percent of the time that the joiner may wait for a core: beyond it, other processes make the latency."""
WARM_PAIRS = 5_000
"""Pairs before the first measurement: the broker's Java is slow until it is compiled."""
NAME = "latency"


class Rows(threading.Thread):
    """Reads rows of diff until stopped."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.found: list[tuple[float, dict[str, Any]]] = []
        """Time at which a row was read, ms since the epoch, and the row."""
        self.over = threading.Event()
        settings = {"bootstrap.servers": bootstrap, "group.id": "rows", "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**settings, "isolation.level": "read_committed"})
        self._consumer.subscribe([f"shadow.{NAME}.diff"])

    def run(self) -> None:
        while not self.over.is_set():
            # The first ends the wait; a call for many waits for as many.
            messages = self._consumer.consume(1, 0.2) + self._consumer.consume(500, 0)
            now_ms = time.time() * 1_000
            for message in messages:
                if message.error() is None and (value := message.value()) is not None:
                    self.found.append((now_ms, own.read("diff", value)))
        self._consumer.close()

    def latencies(self, written: paced.Written) -> list[float]:
        """Return the ms of each pair that differs, sorted, once all rows have come or `ROWS_S` have passed."""
        until = time.monotonic() + ROWS_S
        while True:
            over = time.monotonic() > until
            found = [ms for read_ms, row in list(self.found) if (ms := _latency(read_ms, row, written)) is not None]
            if over or len(found) >= written.differing:
                return sorted(found)
            time.sleep(0.2)


def _latency(read_ms: float, row: Mapping[str, Any], written: paced.Written) -> float | None:
    """Return the ms from the append of the second record to the reading of their row; None for other rows."""
    sides = [row[side] for side in ("production", "shadow") if row[side] is not None]
    at = [written.appended.get((Partition(one["topic"], one["partition"]), one["offset"])) for one in sides]
    known = [one for one in at if one is not None]
    return read_ms - max(known) if len(known) == 2 else None


def reasons(row: Mapping[str, Any]) -> list[str]:
    """Return why the latencies of a row do not count."""
    found = []
    if row["late_p99_ms"] > LATE_MAX_MS:
        found.append(f"the generator was late by {row['late_p99_ms']:,.0f} ms at p99")
    if row["core_wait_percent"] > CORE_WAIT_MAX:
        found.append(f"the joiner waited for a core {row['core_wait_percent']:.0f} % of the time")
    if row["rows"] != row["differing"]:
        found.append(f"{row['rows']:,} rows of {row['differing']:,} came")
    return found


class Joiner:
    """A joiner with its defaults on two empty topics, and a reader of its rows."""

    def __init__(self, kafka: EmbeddedKafka, folder: Path) -> None:
        self.topics, self._kafka, self._log = Topics(Workload("flat-100"), 1), kafka, folder / "join.log"
        paced.create(kafka.bootstrap, self.topics)
        self._write_inputs()
        paced.write(
            kafka.bootstrap, self.topics, 2 * PARTITIONS, 1.0, 0
        )  # a pair in each partition, as evidence of keys
        self.topics.workload.write_schema(folder / self.topics.stem)
        path = ours.write_config(kafka.bootstrap, self.topics, NAME, folder)
        document = yaml.safe_load(path.read_text("utf-8"))
        del document["limits"]  # the defaults
        path.write_text(yaml.safe_dump(document), "utf-8")
        ours.say_start(kafka.bootstrap, path, self.topics)
        self._write_inputs()  # Both sides work on these from now on: a record whose partner is on its way waits for it.
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen([sys.executable, "-m", "shadowstream", "join", str(path)], stderr=errors)
        self._rows = Rows(kafka.bootstrap)
        self._rows.start()

    def _write_inputs(self) -> None:
        produce_all(self._kafka.bootstrap, self.topics.input, [Write(b"{}", partition=p) for p in range(PARTITIONS)])

    def close(self) -> None:
        self._rows.over.set()
        self._rows.join()
        self._process.terminate()
        self._process.wait()

    def start(self) -> int:
        """Write pairs until rows come and the broker is warm; return the number of the next pair."""
        n, until = 1_000_000, time.monotonic() + READY_S
        while not self._rows.found or n - 1_000_000 < WARM_PAIRS:
            if time.monotonic() > until:
                tail = self._log.read_text("utf-8", "replace")[-1_500:]
                raise SystemExit(f"the joiner wrote no row in {READY_S:.0f} s: {tail}")
            n = paced.write(self._kafka.bootstrap, self.topics, RATES[0], 1.0, n).end
        time.sleep(SETTLE_S)
        return n

    def idle(self) -> dict[str, Any]:
        used = measure.Usage(self._process.pid)
        time.sleep(IDLE_S)
        return {"varied": "idle", "cpu_percent": round(used.cpu_percent(), 2)}

    def at(self, per_s: int, seconds: float, first: int) -> tuple[int, dict[str, Any]]:
        """Measure one rate from pair `first` on; return the number of the next pair, and the row."""
        used, brokers = measure.Usage(self._process.pid), measure.Usage(self._kafka.pid)
        written = paced.write(self._kafka.bootstrap, self.topics, per_s, seconds, first)
        usage = {
            "cpu_percent": round(used.cpu_percent(), 1),
            "core_wait_percent": round(used.core_wait_percent(), 1),
            "broker_percent": round(brokers.cpu_percent(), 1),
        }
        found = self._rows.latencies(written)
        if not found:
            raise SystemExit(f"no row came at {per_s:,} records/s: {self._log.read_text('utf-8', 'replace')[-1_500:]}")
        row = {
            "varied": "rate",
            "at": per_s,
            "rows": len(found),
            "differing": written.differing,
            "p50_ms": round(statistics.median(found), 1),
            "p99_ms": round(found[int(0.99 * len(found))], 1),
            "late_p99_ms": round(sorted(written.late_ms)[int(0.99 * len(written.late_ms))], 1),
            **usage,
        }
        return written.end, {**row, "reasons": reasons(row)}


def measured(rates: tuple[int, ...] = RATES, seconds: float = SECONDS) -> Iterator[dict[str, Any]]:
    """Yield the idle CPU of the joiner in percent of a core, then the latencies at each rate."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka(heap_mb=1_024) as kafka:
        joiner = Joiner(kafka, Path(directory))
        try:
            n = joiner.start()
            yield joiner.idle()
            for per_s in rates:
                n, row = joiner.at(per_s, seconds, n)
                yield row
        finally:
            joiner.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = parser.parse_args()
    for row in measured(tuple(asked.rates), asked.seconds):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
