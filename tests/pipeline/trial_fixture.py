"""A trial of the tests' own on a real broker: topics, config, candidate in a folder, the roles as processes.

Production is played by the test with a plain consumer and producer: it reads orders, writes JSON, flushes, commits.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests import forked
from tests.least_config import shown
from tests.pipeline.candidates import SAME, SCORE_ATOL, answer
from tests.pipeline.written_records import await_markers, await_that, ended, records

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 3
COORDINATE_HEADER = "x-input"
FIRST_MS = 1_370_000_000_000
STEP_MS = 90_000
"""1,000 orders last 25 hours: over a day, which is the least that promotes."""
ROLE_LIMIT_S = 90.0
UNBOUNDED: dict[str, Any] = {"start": "earliest", "bounded": False}


def order(n: int) -> dict[str, Any]:
    """The n-th order."""
    return {"n": n, "amount": float(n * 37 % 1_000), "customer": f"customer-{n % 17}"}


def time_ms(n: int) -> int:
    """Event time of the n-th order."""
    return FIRST_MS + n * STEP_MS


def below(orders: int) -> dict[int, int]:
    """Offsets after the first so many orders, by input partition."""
    return {partition: len(range(partition, orders, PARTITIONS)) for partition in range(PARTITIONS)}


def config_under(topic_prefix: str, bootstrap: str, **candidate: Any) -> Config:
    """A config whose trial and topics are named after a test's own prefix, for what needs no candidate to run."""
    name = topic_prefix.rstrip(".").lower()[-40:].strip("-_")
    return Config.model_validate(
        {
            "name": name,
            "kafka": {"bootstrap": bootstrap},
            "inputs": [f"{name}-in"],
            "production": {"outputs": [f"{name}-out"]},
            "candidate": {"call": "a:b", **candidate},
        }
    )


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Work in a thread of its own, to the end of the block, which sets the event."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass(slots=True)
class Trial:
    """One trial. `bootstrap` may be wrong on purpose; `folder` holds its config and its candidate."""

    bootstrap: str
    name: str
    folder: Path
    candidate: str = SAME
    call: str = "trial_candidate:judge"
    identity: dict[str, Any] = field(default_factory=lambda: {"kind": "key"})
    settings: dict[str, Any] = field(default_factory=lambda: {"start": "earliest", "bounded": True})
    output_partitions: int = PARTITIONS
    isolation: str = "process"
    """Where the candidate runs: with `in-process` its end is the end of the runner."""

    def __post_init__(self) -> None:
        (self.folder / f"{self.call.partition(':')[0]}.py").write_text(self.candidate, "utf-8")
        self.write_config()

    @property
    def input(self) -> str:
        return f"{self.name}-orders"

    @property
    def output(self) -> str:
        return f"{self.name}-scores"

    @property
    def group(self) -> str:
        return f"{self.name}-production"

    @property
    def config_path(self) -> Path:
        return self.folder / "trial.yaml"

    @property
    def config(self) -> Config:
        return load(self.config_path, dict(os.environ))

    def topic(self, kind: str) -> str:
        """One of the trial's own topics."""
        return f"shadow.{self.name}.{kind}"

    def document(self) -> dict[str, Any]:
        """The config. All matches have a row in diff, so that outcomes can be counted there as well."""
        return {
            "name": self.name,
            "kafka": {"bootstrap": self.bootstrap},
            "inputs": [self.input],
            "production": {"outputs": [self.output], "group": self.group, "commits": "after_output"},
            "candidate": {"call": self.call, "trusted": True, "isolation": self.isolation},
            "identity": self.identity,
            "compare": {
                "rules": [{"path": "score", "atol": SCORE_ATOL}, {"path": "customer.model", "ignore": True}],
                "match_sample": 1,
            },
            "limits": {"commit_ms": 100},
            **self.settings,
        }

    def write_config(self, **changes: Any) -> None:
        """Write the config file; `changes` replace its keys at the top."""
        document = shown({**self.document(), **changes})
        self.config_path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    def create_topics(self) -> None:
        """Production's topics."""
        create_topics(self.bootstrap, {self.input: PARTITIONS, self.output: self.output_partitions})

    def write_orders(self, numbers: Iterable[int], raw: Callable[[int], bytes] | None = None) -> None:
        """Write orders: n into partition n % PARTITIONS, keyed by its id; `raw` gives other values than JSON."""
        values = ((n, raw(n) if raw else json.dumps(order(n)).encode()) for n in numbers)
        written = [Write(value, b"order-%d" % n, n % PARTITIONS, time_ms(n)) for n, value in values]
        produce_all(self.bootstrap, self.input, written)

    def answered(self, orders: int, **production: Any) -> Self:
        """Production has answered so many orders, all there are."""
        self.write_orders(range(orders))
        Production(self, **production).work(orders)
        return self

    # ---------------------------------------------------------------- what it has written

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Every record of one of the trial's own topics."""
        return records(self.bootstrap, self.topic(kind))

    def outcomes(self) -> Counter[str]:
        """What has ended so far, by stats."""
        return ended(self.records("stats"))

    def await_mark(self, kind: str) -> None:
        await_that(f"there is a {kind} mark", lambda: kind in {mark["kind"] for mark in self.records("progress")})

    def await_outcomes(self, expected: Counter[str], limit_s: float = 60.0) -> None:
        """Until the outcomes are these; what they were last is in the failure, with the logs."""
        from tests.pipeline.follower import Follower  # not at the top: the checker of chaos knows no codec of ours

        found: Counter[str] = Counter()
        stats: list[dict[str, Any]] = []

        def there() -> bool:
            while new := follower.new():
                stats.extend(new)
            found.clear()
            found.update(ended(stats))
            return found == expected

        try:
            with Follower(self.bootstrap, self.topic("stats")) as follower:
                await_that(f"outcomes are {dict(expected)}", there, limit_s)
        except AssertionError as error:
            logs = "\n".join(path.read_text("utf-8")[-1_500:] for path in sorted(self.folder.glob("*.err")))
            raise AssertionError(f"{error}, but {dict(found)}\n{logs}") from None

    # ---------------------------------------------------------------- processes

    def environment(self) -> dict[str, str]:
        """As a user's shell has it, with the candidate's folder on the path."""
        paths = [str(self.folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = {name: value for name, value in os.environ.items() if name != "SHADOWSTREAM_TRACEBACK"}
        return {**kept, "PYTHONPATH": os.pathsep.join(paths)}

    def command(self, words: str, *options: str) -> list[str]:
        """`shadowstream <words>` on this trial's config."""
        return [sys.executable, "-m", "shadowstream", *words.split(), str(self.config_path), *options]

    def start(self, words: str, *options: str, log: str | None = None) -> subprocess.Popen[str]:
        """Start a command; stderr goes to a file of the folder, named after its first word."""
        with (self.folder / f"{log or words.partition(' ')[0]}.err").open("ab") as errors:
            return forked.Forked(
                self.command(words, *options),
                env=self.environment(),
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def log_text(self, log: str) -> str:
        """What a started command has written to stderr so far."""
        return (self.folder / f"{log}.err").read_text("utf-8")

    def logged(self, log: str) -> list[dict[str, Any]]:
        """The events among what a started command has written to stderr so far."""
        return [json.loads(line) for line in self.log_text(log).splitlines() if line.startswith("{")]

    def finish(self, process: subprocess.Popen[str], log: str, limit_s: float = ROLE_LIMIT_S) -> str:
        """Wait for a bounded role and return its stdout; its stderr is in the failure where it did not end well."""
        try:
            out, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError(f"{log} did not end within {limit_s:g} s\n{self.log_text(log)[-4_000:]}") from None
        assert process.returncode == 0, f"{log}: exit code {process.returncode}\n{self.log_text(log)[-4_000:]}"
        return out

    def play(self, *roles: str) -> None:
        """Run roles side by side, each in a process of its own, to their end; then readers see all they committed."""
        started = {role: self.start(role, "--json") for role in roles}
        for role, process in started.items():
            self.finish(process, role)
        await_markers(self.bootstrap, self.topic(""))

    def ask(self, words: str, *options: str, limit_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, whatever it answers."""
        return forked.run(self.command(words, *options), limit_s, env=self.environment(), cwd=self.folder)


@dataclass(slots=True)
class Production:
    """The test's own production. `say` gives its answer to an input's value, or None for no output."""

    trial: Trial
    say: Callable[[bytes], bytes | None] = lambda value: json.dumps(answer(json.loads(value))).encode()
    names_inputs: bool = False
    """Whether each output names its input in a header of production's own."""
    partitioner: str | Callable[[bytes], int] | None = None
    """Where outputs go: by a partitioner of the client, by a rule of production's own, by default as their inputs."""

    def work(self, to: int | dict[int, int], *, commit: bool = True) -> int:
        """Answer the first so many orders, or to these offsets by partition, from the committed ones; gives how many.

        Outputs have their input's key and time. Offsets are committed once all are acknowledged;
        without `commit` that is left undone, as by a production that dies in between.
        """
        trial, ends = self.trial, below(to) if isinstance(to, int) else to
        consumer = Consumer(
            {"bootstrap.servers": trial.bootstrap, "group.id": trial.group, "enable.auto.commit": False}
        )
        client = {"partitioner": self.partitioner} if isinstance(self.partitioner, str) else {}
        producer = Producer(
            {"bootstrap.servers": trial.bootstrap, "enable.idempotence": True, "linger.ms": 5, **client}
        )
        producer.list_topics(trial.output, timeout=30)  # connected now, it gets its producer id at once
        places = [TopicPartition(trial.input, partition) for partition in ends]
        committed = once_coordinated(lambda: consumer.committed(places, 30.0))
        position = {place.partition: max(place.offset, 0) for place in committed}
        consumer.assign([TopicPartition(trial.input, partition, offset) for partition, offset in position.items()])
        answered = 0
        deadline = time.monotonic() + 60
        while any(position[partition] < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, f"production stands at {position}, asked for {ends}"
            for message in consumer.consume(500, 0.1):
                assert message.error() is None, message.error()
                partition, offset = message.partition(), message.offset()
                if offset < ends[partition]:
                    answered += self._answer(producer, message)
                    position[partition] = offset + 1
        assert producer.flush(30) == 0
        if commit:
            reached = [TopicPartition(trial.input, partition, offset) for partition, offset in position.items()]
            consumer.commit(offsets=reached, asynchronous=False)
        consumer.close()
        return answered

    def _answer(self, producer: Producer, message: Message) -> bool:
        value = self.say(message.value())
        if value is None:
            return False
        coordinate = f"{message.topic()}/{message.partition()}/{message.offset()}".encode()
        producer.produce(
            self.trial.output,
            value,
            message.key(),
            self._partition(message),
            timestamp=message.timestamp()[1],
            headers=[(COORDINATE_HEADER, coordinate)] if self.names_inputs else [],
        )
        producer.poll(0)
        return True

    def _partition(self, message: Message) -> int:
        if callable(self.partitioner):
            return self.partitioner(message.key())
        return message.partition() if self.partitioner is None else -1


MOVING = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}


def once_coordinated(call: Callable[[], Any], limit_s: float = 30.0) -> Any:
    """Call; on a fresh broker the group's coordinator needs a moment before it knows that it is one."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return call()
        except KafkaException as error:
            if error.args[0].code() not in MOVING or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
