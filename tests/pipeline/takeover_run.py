"""One handover on a real broker: production and the new version as processes, and the printed lines in a shell."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from shadowstream.testing.topics import Write, produce_all, read_all
from tests.pipeline import stream_app
from tests.pipeline.kafka_tools import Shell
from tests.pipeline.written_records import await_that

PARTITIONS = 2


@dataclass
class Takeover:
    """The topics of one trial, its two versions, and who has answered each input."""

    bootstrap: str
    source: str
    target: str
    shell: Shell
    partitions: int = PARTITIONS
    time_ms: Callable[[int], int | None] = lambda n: None
    """Event time of the n-th input; None: that of its writing."""
    written: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def start(self, version: str, group: str, reset: str = "error") -> subprocess.Popen[bytes]:
        words = [sys.executable, stream_app.__file__, self.bootstrap, group, self.source, self.target, version, reset]
        self.processes.append(subprocess.Popen(words))
        return self.processes[-1]

    def stop(self, process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
        process.send_signal(number)
        process.wait(60)
        assert process.returncode in (0, -signal.SIGKILL)

    def write(self, more: int) -> None:
        """Write so many more inputs."""
        at = range(self.written, self.written + more)
        values = [
            Write(json.dumps({"n": n}).encode(), b"order-%d" % n, n % self.partitions, self.time_ms(n)) for n in at
        ]
        produce_all(self.bootstrap, self.source, values)
        self.written += more

    def answers(self) -> Counter[tuple[str, str]]:
        """Committed outputs by input and version."""
        found: Counter[tuple[str, str]] = Counter()
        for one in read_all(self.bootstrap, self.target):
            headers = dict(one.headers or [])
            found[headers[stream_app.INPUT].decode(), headers[stream_app.VERSION].decode()] += 1
        return found

    def await_answers(self, at_least: int) -> None:
        await_that(f"{at_least} inputs are answered", lambda: len(self.answers()) >= at_least, 90.0)

    def check_each_once(self, versions: Iterable[str]) -> None:
        """Every input has one committed output over all versions, and each version has answered some."""
        self.await_answers(self.written)
        found = self.answers()
        expected = {f"{self.source}/{n % self.partitions}/{n // self.partitions}" for n in range(self.written)}
        assert {place for place, _ in found} == expected
        assert sum(found.values()) == len(expected)
        assert {version for _, version in found} == set(versions)

    def firsts(self, version: str) -> dict[int, int]:
        """The first offset that a version has answered, by partition."""
        found: dict[int, int] = {}
        for place, by in self.answers():
            _, partition, offset = place.rsplit("/", 2)
            if by == version:
                found[int(partition)] = min(int(offset), found.get(int(partition), int(offset)))
        return found


def lines_of(steps: Iterable[dict[str, Any]], but: tuple[str, ...] = ()) -> list[str]:
    """The printed lines of steps, in order, without those of the titles `but`."""
    return [line for step in steps if step["title"] not in but for line in step["commands"]]


def offsets_of(plan: dict[str, Any]) -> dict[int, int]:
    """The offsets of a final plan by partition."""
    return {one["partition"]: one["offset"] for one in plan["recorded"]["offsets"]}
