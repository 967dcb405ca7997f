"""Records of our own topics that nobody of ours wrote, between those of a trial: the rest goes on as if they were not.

Real roles on the broker in memory, with all that befalls them there: they die and are started again, so that what
litters a topic is read again and again.
"""

import random
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.judge.judge_state import VERSION
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.testing.memory.log import Entry, Log
from shadowstream.testing.simulation.generator import history
from shadowstream.testing.simulation.history import INPUT, Action, History
from shadowstream.testing.simulation.on_broker import play
from shadowstream.testing.simulation.on_broker.judged import records
from shadowstream.testing.simulation.on_broker.play import ON_BROKER, BrokerTrial
from shadowstream.testing.simulation.run import judged
from tests.judge.stats_records import cell, stats

LITTER = b"litter"
ALWAYS = [b"", b"\xfe", b"garbage", b"\xc3\x01" + bytes(8), b"\xc3\x01", None]
SEEDS = (0, 1, 4, 6, 9, 10, 26)  # 26: the newest state of a judge that dies is of another version


def _broken(value: bytes) -> bytes:
    return value[: len(value) // 2]


def of_topic(kind: str, revision: str, task: str) -> list[bytes | None]:
    """What may lie in a topic of ours beside the trial's own records."""
    absence = {"offset": 0, "count": 2**62, "reason": "filtered", "ids": []}
    by = {"input_topic": INPUT, "input_partition": 0}
    if kind in ("progress", "starts"):
        written = [
            marks.mark("tomorrow", revision),
            marks.mark("range", revision, **by, absences=[absence], counters=marks.Counters().record()),
            marks.mark("range", revision, **by),
            marks.mark("done", revision, **by, to_offset=2**63 - 1),
        ]
        return [own.encode("mark", one) for one in written]
    sources: dict[str, Any] = {"sources": [], "ledgers": []}
    if kind == "stats":
        one = stats(task, 1, cell(0, revision, match=1))
        ledger = {"ledger": 1, "place": task, "expected": -(2**63), "counted": 2**63 - 1}
        slices = [{"dimensions": ["a", "b"], "values": ["x"], "n": 1, "s": 1}]
        written = [
            {**one, **sources, "seq": 2**63 - 1},
            {**one, **sources, "revision": revision, "windows": [cell(0, revision, match=2**63 - 1)]},
            {**one, "ledgers": [ledger]},
            {**one, "windows": [{**cell(0, revision), "slices": slices}]},
            {**one, "windows": [cell(2**63 - 1, revision, match=1)]},
        ]
        return [own.encode("stats", record) for record in written]
    if kind == "commands":
        written = [{"command": "mute", "subject": "x" * 50_000, "by": "ana", "at_ms": -(2**63)}]
        return [own.encode("command", record) for record in written] + [own.encode("stats", stats(task, 1))]
    if kind == "judge-state":
        state = {"version": 3, "revision": revision, "offsets": {"0": 2**62}, "snapshot": "no snapshot"}
        states = state, {**state, "snapshot": ""}, {**state, "version": VERSION}
        return [own.encode("judge_state", one) for one in states]
    return [own.encode("stats", stats(task, 1))]


class Littered(BrokerTrial):
    """Before each action something is thrown into the topics of ours."""

    thrown = 0

    def do(self, action: Action) -> None:
        topics = [place for place in self.broker.logs if place.topic.startswith(self.world.config.plan.prefix)]
        chance = random.Random(f"litter {self.setup.seed} {self.thrown}")
        for place in topics:
            kind = place.topic.removeprefix(self.world.config.plan.prefix)
            if not kind.startswith(("out.", "repartition.", "dlq.")) and chance.random() < 0.4:
                task = f"{self.world.topics[0]}/{place.partition}"
                value = chance.choice([*ALWAYS, *2 * of_topic(kind, self.world.revision, task)])
                self.broker.logs[place].append(Entry(LITTER, value, self.broker.clock.now_ms))
                self.thrown += 1
        super().do(action)

    def _take(self) -> None:
        """The oracle asks for the trial's own records."""
        for log in self.broker.logs.values():
            _hide(log)
        super()._take()


def _hide(log: Log) -> None:
    kept = [(offset, entry) for offset, entry in log.records() if entry.key != LITTER]
    log.records = lambda: iter(kept)  # type: ignore[method-assign]  # for what is asked at the end


@pytest.mark.parametrize("seed", SEEDS)
def test_a_littered_trial_ends_as_one_without(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trials: list[Littered] = []

    def littered(history: History) -> Littered:
        trials.append(Littered(history))
        return trials[-1]

    monkeypatch.setattr(play, "BrokerTrial", littered)
    offences, _, _ = judged(history(seed), ON_BROKER)
    (found,) = trials
    assert found.thrown > 10, "a trial without litter proves nothing"
    # The judge counts what it has refused, and says so; nothing else may differ.
    expected = ("judge, offsets:", "verdict caveats:", "verdict evidence_digest:")
    assert [offence for offence in offences if not offence.startswith(expected)] == []
    written = records(found.on_broker, found.world.revision, "verdict")
    stats_topic = found.world.config.plan.of("stats")
    dirty = any(
        entry.key == LITTER
        for place, log in found.broker.logs.items()
        for entry in log.entries
        if place == Partition(stats_topic, 0)
    )
    if dirty and written:
        assert any("were refused and count in nothing" in one for one in written[-1]["caveats"])
