"""Copies of real pairs through the joiner's own step: the windows of statistics that a trial would have of them.

The step gets the marks of a bounded trial at its end: every input has ended, and all outputs have been written. So no
record waits, and each gets its outcome by the rules of the config and of the identity, as in a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from shadowstream.codecs import own
from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.joiner.step import JoinerStep
from shadowstream.joiner.task_topics import places_of
from shadowstream.protocol import marks
from shadowstream.protocol.headers import packed_of
from shadowstream.records import Batch, Partition, Side
from shadowstream.sensitivity.agreeing_pairs import Copies

Window = dict[str, Any]
_DONE = 2**62  # above all offsets of inputs


def planted_config(config: Config) -> Config:
    """Return the config of a trial of copies: unbounded, and without rows for matches.

    Criteria on labels and on CPU time are muted, because copies have neither.
    """
    criteria = [
        one.model_copy(update={"muted": True}) if one.is_labelled or one.rate == "cost" else one
        for one in config.judge.criteria
    ]
    return config.model_copy(
        update={
            "bounded": False,
            "compare": config.compare.model_copy(update={"match_sample": 0.0}),
            "judge": config.judge.model_copy(update={"criteria": criteria}),
            "labels": None,
        }
    )


def _ending(config: Config) -> Config:
    """Return the config of a trial that ends with its inputs, by marks and by commits of all sides."""
    sides = {"production": config.production, "twin": config.twin}
    by_commits = {
        name: side.model_copy(update={"group": side.group or "planted"}) for name, side in sides.items() if side
    }
    candidate = config.candidate.model_copy(update={"recheck": "never"})  # no runner answers here
    return config.model_copy(update={"bounded": True, "candidate": candidate, **by_commits})


class PlantedJoiner:
    """The joiner of copies. `config` is that of `planted_config`."""

    def __init__(self, config: Config, revision: str, compare: Comparing) -> None:
        self._config, self._revision, self._compare = _ending(config), revision, compare

    def windows(self, of_topics: Mapping[str, Copies]) -> list[Window]:
        """Return the windows of statistics of all copies, in the order of time; each names its topic."""
        found: list[Window] = []
        for topic, copies in of_topics.items():
            if len(copies.production):
                found += self._of_topic(topic, copies)
        return sorted(found, key=lambda window: window["start_ms"])

    def _of_topic(self, topic: str, copies: Copies) -> list[Window]:
        config = self._config
        places = places_of(config, topic, 0, ())
        inputs = _inputs(config, copies.shadow)
        now_ms = max(copies.production.times_ms) + 1
        step = JoinerStep(config, self._revision, self._compare, {topic: 1}, inputs)
        task = step.assign(topic, 0)
        for side in task.sources.sides:
            task.restore(side, None, 0)
        self._mark(step, inputs, {places[Side.SHADOW]: len(copies.shadow)})
        ends = {place: len(copies.production) for place in places}
        ends[places[Side.SHADOW]] = len(copies.shadow)
        step.observe_born(ends, dict.fromkeys(inputs, _DONE))
        step.observe_production(dict.fromkeys(inputs, _DONE), ends)
        batches = [copies.production, copies.shadow]
        if config.twin is not None:
            # A twin that agrees with production.
            batches.append(_moved(copies.production, places[Side.TWIN]))
            step.observe_twin(dict.fromkeys(inputs, _DONE), ends)
        for batch in batches:
            if len(batch):
                step.progress.take_as_named(step.read(batch, now_ms))
            step.end(batch.place, len(batch), now_ms)
        inputs_of = Counter(at - at % config.judge.window_ms for at in copies.production.times_ms)
        return [self._with_inputs(window, topic, inputs_of) for window in self._written(step, now_ms)]

    def _mark(self, step: JoinerStep, inputs: list[Partition], outputs: dict[Partition, int]) -> None:
        begins = [
            {"topic": p.topic, "partition": p.partition, "committed": 0, "end": -1, "bound": _DONE} for p in inputs
        ]
        counters = None if self._config.candidate.topic else marks.Counters().record()
        step.mark(marks.mark("start", self._revision, begins=begins))
        for place in inputs:
            at = {"input_topic": place.topic, "input_partition": place.partition, "to_offset": _DONE}
            ends = marks.ends_field(outputs)
            step.mark(marks.mark("end", self._revision, **at, ends=ends, counters=counters, floor_ms=0))

    def _written(self, step: JoinerStep, now_ms: int) -> list[Window]:
        windows: list[Window] = []
        topic, has_more = self._config.plan.of("stats"), True
        while has_more:
            writes, _, has_more = step.prepare(now_ms)
            for write in writes:
                if write.topic == topic and write.value is not None:
                    windows += own.read("stats", write.value)["windows"]
            step.committed()
        return windows

    def _with_inputs(self, window: Window, topic: str, inputs: Mapping[int, int]) -> Window:
        outcomes = {**window["outcomes"], "input": inputs.get(window["start_ms"], 0)}
        return {**window, "topic": topic, "outcomes": outcomes}


def _inputs(config: Config, shadow: Batch) -> list[Partition]:
    packed = (packed_of(headers) for headers in shadow.headers)
    found = {Partition(config.inputs[one.coordinate.topic], one.coordinate.partition) for one in packed if one}
    return sorted(found) or [Partition(config.inputs[0], 0)]


def _moved(batch: Batch, place: Partition) -> Batch:
    return Batch(place, batch.offsets, batch.times_ms, batch.keys, batch.values, batch.headers)
