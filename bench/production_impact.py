"""The impact on production: its lag and latency with and without a trial at its ceiling, on one broker, side by side.

`python -m bench.production_impact` (`make impact`). A producer writes inputs at a fixed pace. Production, a process of
its own, reads them in its group, writes an output for each, and commits. The trial reads a backlog at the ceiling
`limits.records_per_s`, so that its load never ends. Periods with and without it alternate, and so does the order of the
two; the starts of its roles are not measured. A record's latency ends when the broker has production's output.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from scipy import stats

from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.topics import Write, create_topics, produce_all

PARTITIONS = 4
GROUP, INPUT, OUTPUT = "impact-production", "impact-orders", "impact-scores"
OUT = f"shadow.impact.out.{OUTPUT}"
ROLES = ("run", "join", "judge")
LEVEL = 0.95
READY_S, LOOK_S, STEADY_MS = 120.0, 1.0, 500.0
CANDIDATE = "def score(order):\n    return {'n': order['n'], 'score': order['n'] * 7}\n"
VALUE = '{{"n":{n},"at":{at},"text":"{text}"}}'
TEXT = "x" * 200


@dataclass(frozen=True, slots=True)
class Period:
    """Production in one period: latencies in ms, and its lag in records, looked at twice a second."""

    with_trial: bool
    latencies: Sequence[float]
    lags: Sequence[int]

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.latencies, n=100)[98]

    @property
    def lag(self) -> float:
        return statistics.fmean(self.lags)


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference between neighbouring periods, with the limits of its interval."""

    mean: float
    low: float
    high: float


def difference(without: Sequence[float], with_trial: Sequence[float]) -> Difference:
    """Return the mean of the paired differences and its t interval at `LEVEL`.

    >>> difference([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    Difference(mean=1.0, low=1.0, high=1.0)
    """
    each = [b - a for a, b in zip(without, with_trial, strict=True)]
    mean, error = statistics.fmean(each), statistics.stdev(each) / len(each) ** 0.5
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(each) - 1)) * error
    return Difference(mean, mean - reach, mean + reach)


def production(bootstrap: str) -> None:
    """Play production until stdin ends; print the latencies of each half second with the lag at its end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP, "enable.auto.commit": False})
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1})
    consumer.subscribe([INPUT])
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    latencies: list[float] = []

    def delivered(at_s: float) -> object:
        return lambda error, _: latencies.append((time.time() - at_s) * 1_000)

    shown = time.monotonic()
    while not over.is_set():
        for message in consumer.consume(100, 0.005):
            _answer(producer, message, delivered)
        producer.poll(0)
        if time.monotonic() - shown >= 0.5:
            shown = time.monotonic()
            lag = sum(
                consumer.get_watermark_offsets(place, cached=True)[1] - max(0, place.offset)
                for place in consumer.position(consumer.assignment())
            )
            if consumer.assignment():
                producer.flush(10)
                consumer.commit(asynchronous=True)
            print(json.dumps({"latencies": [round(one, 2) for one in latencies], "lag": lag}), flush=True)
            latencies.clear()
    producer.flush(10)
    consumer.close()


def _answer(producer: Producer, message: Message, delivered: object) -> None:
    if message.error() is None:
        order = json.loads(message.value() or b"")
        answer = json.dumps({"n": order["n"], "score": order["n"] * 7}).encode()
        report = delivered(order["at"])  # type: ignore[operator]  # a function that makes the callback
        producer.produce(OUTPUT, answer, message.key(), message.partition(), on_delivery=report)


def fill(bootstrap: str, backlog: int) -> None:
    """Make topics with a backlog that production has answered."""
    create_topics(bootstrap, {INPUT: PARTITIONS, OUTPUT: PARTITIONS})
    began_ms = round(time.time() * 1_000) - backlog
    for topic, value in ((INPUT, VALUE), (OUTPUT, '{{"n":{n},"score":{score}}}')):
        texts = ((n, value.format(n=n, at=0, text=TEXT, score=n * 7).encode()) for n in range(backlog))
        produce_all(bootstrap, topic, [Write(text, b"%d" % n, n % PARTITIONS, began_ms + n) for n, text in texts])
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP})
    ends = [TopicPartition(INPUT, p, len(range(p, backlog, PARTITIONS))) for p in range(PARTITIONS)]
    consumer.commit(offsets=ends, asynchronous=False)
    consumer.close()


@contextlib.contextmanager
def paced(bootstrap: str, per_s: int, first: int) -> Iterator[None]:
    """Write inputs at a fixed pace in this context."""
    producer, over = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1}), threading.Event()

    def write() -> None:
        began, n = time.monotonic(), 0
        while not over.wait(0.005):
            while n < (time.monotonic() - began) * per_s:
                value = VALUE.format(n=first + n, at=time.time(), text=TEXT).encode()
                producer.produce(INPUT, value, b"%d" % (first + n), n % PARTITIONS)
                n += 1
            producer.poll(0)
        producer.flush(10)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write_config(bootstrap: str, folder: Path, ceiling: int) -> Path:
    """Write the trial's config and candidate."""
    (folder / "impact_candidate.py").write_text(CANDIDATE, "utf-8")
    document = {
        "name": "impact",
        "kafka": {"bootstrap": bootstrap},
        "inputs": [INPUT],
        "production": {"outputs": [OUTPUT], "group": GROUP, "commits": "after_output"},
        "candidate": {"call": "impact_candidate:score", "partitioner": "input"},
        "start": "earliest",
        "limits": {"records_per_s": ceiling},
    }
    path = folder / "impact.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


@contextlib.contextmanager
def trial(bootstrap: str, config: Path, ceiling: int) -> Iterator[None]:
    """Run the trial's roles in this context, which begins once they read at their ceiling."""
    folder = config.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    with contextlib.ExitStack() as stack:
        started = []
        for role in ROLES:
            errors = stack.enter_context((folder / f"{role}.err").open("ab"))
            command = [sys.executable, "-m", "shadowstream", role, str(config)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            started.append(process)
        before = 0

        def is_at_ceiling() -> bool:
            nonlocal before
            earlier, before = before, _written(bootstrap)
            if any(process.poll() is not None for process in started):
                raise RuntimeError("\n".join((folder / f"{role}.err").read_text("utf-8")[-1_000:] for role in ROLES))
            return before - earlier >= ceiling * LOOK_S / 2

        before = _written(bootstrap)
        _await("the trial does not reach its ceiling", is_at_ceiling)
        yield


def _await(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} within {READY_S:.0f} s")
        time.sleep(LOOK_S)


def _written(bootstrap: str) -> int:
    """Return the offsets of the candidate's outputs; 0 while their topic is not there."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "impact-look"})
    try:
        return sum(consumer.get_watermark_offsets(TopicPartition(OUT, p), 10)[1] for p in range(PARTITIONS))
    except KafkaException:  # it is made just now
        return 0
    finally:
        consumer.close()


def measured(bootstrap: str, folder: Path, asked: argparse.Namespace) -> Iterator[Period]:
    """Measure pairs of periods, one after the other."""
    config = write_config(bootstrap, folder, asked.ceiling)
    command = [sys.executable, "-m", "bench.production_impact", "--production", bootstrap]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        paced(bootstrap, asked.per_s, asked.backlog),
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        turns: list[tuple[float, dict[str, list[float]]]] = []
        reader = threading.Thread(
            target=lambda: turns.extend((time.monotonic(), json.loads(line)) for line in process.stdout or ())
        )
        reader.start()
        # Inputs were written before production had joined its group: it must have answered these first.
        _await("production does not keep up", lambda: any(_is_steady(turn["latencies"]) for _, turn in [*turns]))
        time.sleep(asked.settle_s)
        for pair in range(asked.pairs):
            for with_trial in (False, True) if pair % 2 == 0 else (True, False):
                with trial(bootstrap, config, asked.ceiling) if with_trial else contextlib.nullcontext():
                    time.sleep(asked.settle_s)
                    began = time.monotonic()
                    time.sleep(asked.seconds)
                    now = time.monotonic()
                    some = [turn for at, turn in [*turns] if began <= at < now]
                yield Period(with_trial, [one for turn in some for one in turn["latencies"]], [t["lag"] for t in some])  # type: ignore[misc]  # of JSON
        process.stdin.close()
        process.wait(30)
        reader.join()


def _is_steady(latencies: Sequence[float]) -> bool:
    return bool(latencies) and statistics.median(latencies) < STEADY_MS


def lines(periods: Sequence[Period]) -> list[str]:
    """Return the table and the differences."""
    printed = [f"{'trial':<8}{'records':>9}{'p50 ms':>9}{'p99 ms':>9}{'lag':>9}"]
    for one in periods:
        p50 = statistics.median(one.latencies)
        word = "with" if one.with_trial else "without"
        printed.append(f"{word:<8}{len(one.latencies):>9,}{p50:>9.1f}{one.p99_ms:>9.1f}{one.lag:>9.1f}")
    without, with_trial = ([one for one in periods if one.with_trial == which] for which in (False, True))
    for name, unit, of in (("p99 latency", "ms", Period.p99_ms), ("lag", "records", Period.lag)):
        values = [[of.fget(one) for one in some] for some in (without, with_trial)]  # type: ignore[attr-defined]  # a property
        found, means = difference(*values), [statistics.fmean(some) for some in values]
        printed.append(
            f"{name}: {means[0]:.1f} {unit} without, {means[1]:.1f} with; difference {found.mean:+.1f} "
            f"[{found.low:+.1f}, {found.high:+.1f}] ({LEVEL:.0%}, {len(without)} pairs)"
        )
    return printed


def main(arguments: list[str] | None = None) -> int:
    """Print the table and the differences."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--production", metavar="BOOTSTRAP", help="play production; for this program itself")
    words.add_argument("--pairs", type=int, default=5)
    words.add_argument("--seconds", type=float, default=20.0, help="length of a period")
    words.add_argument("--settle-s", type=float, default=3.0)
    words.add_argument("--per-s", type=int, default=200, help="inputs a second")
    words.add_argument("--ceiling", type=int, default=400, help="limits.records_per_s of the trial")
    words.add_argument("--backlog", type=int, default=100_000)
    asked = words.parse_args(arguments)
    if asked.production:
        production(asked.production)
        return 0
    with EmbeddedKafka() as broker, tempfile.TemporaryDirectory() as folder:
        fill(broker.bootstrap, asked.backlog)
        periods = []
        for one in measured(broker.bootstrap, Path(folder), asked):
            periods.append(one)
            print(f"{'with' if one.with_trial else 'without'}: p99 {one.p99_ms:.1f} ms", file=sys.stderr, flush=True)
    print(f"production at {asked.per_s} records/s; the trial reads at most {asked.ceiling} records/s")
    print("\n".join(lines(periods)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
