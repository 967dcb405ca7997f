"""A whole trial in memory: inputs of known kinds, a production, a candidate behind the real runner step, the joiner."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Config
from shadowstream.protocol import marks
from shadowstream.records import Partition, Side
from shadowstream.runner import commit_metadata
from shadowstream.runner.candidate import load
from shadowstream.runner.outputs import Output
from shadowstream.runner.step import RunnerStep
from tests.joiner.joiner_world import REVISION, Record, World

# What an input of each kind ends in: outcomes of its outputs, under identity key.
KINDS: dict[str, dict[str, int]] = {
    "same": {"match": 1},
    "differs": {"mismatch": 1},
    "near": {"tolerated": 1},
    "noisy": {"ignored": 1},
    "lost": {"missing": 1},
    "added": {"extra": 1},
    "error": {"candidate_error": 1},
    "error_alone": {},
    "silent": {},
    "unreadable": {"undecodable_input": 1},
    "deleted": {"match": 1},
    "deleted_here": {"mismatch": 1},
    "broken": {"undecodable_shadow": 1},
    "broken_there": {"undecodable_production": 1},
    "keyless": {"unpairable_production": 1, "unpairable_shadow": 1},
}
RULES = [{"path": "near", "atol": 0.5}, {"path": "noise", "ignore": True}]
_STEP_MS = 300


def production(kind: str, id_: int) -> list[bytes | None]:
    """Values that production writes for an input."""
    if kind in ("added", "error_alone", "silent"):
        return []
    if kind in ("deleted", "deleted_here"):
        return [None]
    return [b"\xff"] if kind == "broken_there" else [json.dumps({"id": id_, "near": 1.0, "noise": 0}).encode()]


def candidate(value: Any) -> Any:
    """The candidate of every trial here; what it does stands in its input."""
    kind, output = value["kind"], {"id": value["id"], "near": 1.0, "noise": 0}
    if kind in ("error", "error_alone"):
        raise ValueError(f"cannot score {value['id']}")
    changes = {"differs": {"id": -1}, "near": {"near": 1.25}, "noisy": {"noise": 9}}
    answers: dict[str, Any] = {"lost": None, "silent": None, "deleted": Output(None), "broken": b"\xfe"}
    return answers.get(kind, output | changes.get(kind, {}))


class Trial(World):
    """`kinds` of each input partition, all there before the trial starts. A record's time follows its offset."""

    def __init__(self, settings: Config, kinds: Sequence[Sequence[str]], outputs: int = 1) -> None:
        super().__init__(settings, len(kinds), outputs)
        self.kinds = kinds
        self.produced = dict.fromkeys(self.inputs, 0)
        self.runner_commits: dict[Partition, tuple[int, str]] = {}
        """Of the runner's own group, which may read a topic that the joiner reads too."""
        for place, partition in zip(self.inputs, kinds, strict=True):
            for offset, kind in enumerate(partition):
                value = b"\x00" if kind == "unreadable" else json.dumps({"id": offset, "kind": kind}).encode()
                self.logs[place].append(Record(self._key(place, offset), value, _STEP_MS * offset))
            self.marker(place)

    def _key(self, place: Partition, offset: int) -> bytes | None:
        keyless = self.kinds[place.partition][offset] == "keyless"
        return None if keyless else f"{place.partition}-{offset}".encode()

    def expected(self) -> dict[str, int]:
        """What must come out, from the kinds alone."""
        total: Counter[str] = Counter()
        for partition in self.kinds:
            for kind in partition:
                unpaired = kind == "keyless" and self.config.identity.kind == "coordinate"
                total.update({"match": 1} if unpaired else KINDS[kind])
        return dict(total)

    # ---------------------------------------------------------------- production

    def produce(self, place: Partition, n: int) -> None:
        """Production handles up to n inputs."""
        to = self.sides[Side.PRODUCTION][place.partition % self.partitions]
        first = self.produced[place]
        for offset in range(first, min(first + n, len(self.kinds[place.partition]))):
            headers = [("origin", f"in/{place.partition}/{offset}".encode())]
            for value in production(self.kinds[place.partition][offset], offset):
                self.logs[to].append(Record(self._key(place, offset), value, _STEP_MS * offset, headers))
            self.produced[place] = offset + 1

    def commit_production(self) -> None:
        """Production commits what it has done; its transaction leaves a marker."""
        for place, offset in self.produced.items():
            whole = offset == len(self.kinds[place.partition])
            self.production_committed[place] = self.end(place) if whole else offset
        for place in self.sides[Side.PRODUCTION]:
            self.marker(place)

    # ---------------------------------------------------------------- the runner

    def begin(self, **pinned: Any) -> Self:
        """A start mark, the runner, and the joiner, which has observed."""
        self.start(**pinned)
        self.start_runner()
        self.start_joiner()
        self.observe()
        return self

    def start_runner(self) -> None:
        """A new runner from what is committed."""
        decoder, encoder = Decoder(NoSchemas()), Encoder(NoSchemas(), "out-value", "json")
        own = load(self.config.candidate), decoder, {self.output: encoder}, {self.output: self.partitions}
        self.runner = RunnerStep(self.config, REVISION, *own)
        begins = {Partition(b["topic"], b["partition"]): b for b in self.progress[0]["begins"]}
        for place in self.inputs:
            offset, metadata = self.runner_commits.get(place, (begins[place]["committed"], ""))
            counters = commit_metadata.of_metadata(metadata) if metadata else marks.Counters()
            self.runner.assign(place, offset, counters, begins[place]["bound"])

    def run(self, place: Partition, n: int) -> None:
        """The runner reads up to n inputs."""
        position = self.runner.inputs[place].position
        batch, at_end = self.batch(place, position, n)
        if batch:
            self.runner.step(batch, self.now_ms)
        if at_end:
            self.runner.end(place, self.end(place))

    def commit_runner(self) -> None:
        """One transaction of the runner, with a marker in each log that it wrote to; then its marks."""
        writes, commits = self.runner.prepare()
        touched = set()
        for write in writes:
            place = Partition(write.topic, write.partition)
            if write.topic == self.config.plan.of("progress"):
                self.say(write)
            elif place in self.logs:
                self.logs[place].append(Record(write.key, write.value, write.time_ms, write.headers))
                touched.add(place)
        for place in sorted(touched):
            self.marker(place)
        self.runner_commits |= {commit.place: (commit.offset, commit.metadata) for commit in commits}
        self.runner.committed()
        for write in self.runner.done_marks(self.shadow_ends()):
            self.say(write)

    def crash_runner(self) -> None:
        """What it had written is aborted, which leaves gaps; it starts again from its commits."""
        for write in self.runner.writes:
            if (place := Partition(write.topic, write.partition)) in self.logs:
                self.marker(place)
        self.start_runner()

    # ---------------------------------------------------------------- to the end

    def drain(self) -> None:
        """Everybody does what is left."""
        self.frozen.clear()
        for place in self.inputs:
            self.produce(place, len(self.logs[place]))
            self.run(place, len(self.logs[place]))
        self.commit_production()
        self.commit_runner()
        self.turn(3)

    def finish(self) -> None:
        """The same in a bounded run; raises AssertionError if the joiner does not come to its end."""
        self.drain()
        assert self.joiner.finished()
