"""A trial of labelled pairs, through the real steps of the labels role and of the judge."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from shadowstream.labels.step import LabelStep
from shadowstream.labels.store import MemoryStore
from shadowstream.protocol.task_names import task_of
from shadowstream.records import Partition
from tests.judge.stats_records import HOUR_MS, REVISION, cell, stats

TASK = "scores/0"
NOW_MS = 10**15


class Labelled(NamedTuple):
    """One pair, its answers and its label as JSON; None without a label."""

    hour: int
    production: str
    shadow: str
    label: str | None
    bucket: int = -1


def config_of(*criteria: dict[str, Any], labels: dict[str, Any] | None = None, **judge: Any) -> Config:
    return Config.model_validate(
        {
            "name": "fraud",
            "inputs": ["payments"],
            "production": {"outputs": ["scores"], "group": "scorer", "commits": "after_output"},
            "candidate": {"call": "shadowstream.demo.candidates:same"},
            "bounded": True,
            "labels": {"topic": "chargebacks", "path": "p", "horizon_ms": 10 * HOUR_MS, **(labels or {})},
            "judge": {"criteria": list(criteria), "min_duration_ms": 0, **judge},
        }
    )


def verdict_of(settings: Config, pairs: Iterable[Labelled]) -> dict[str, Any]:
    """Read all pairs with their labels, to the end of the trial."""
    step = LabelStep(settings, REVISION, MemoryStore(), [TASK])
    matches: dict[int, int] = {}
    for number, pair in enumerate(pairs):
        matches[pair.hour] = matches.get(pair.hour, 0) + 1
        id_ = b"id %d" % number
        record = {"id": id_, "task": TASK, "revision": REVISION, "time_ms": pair.hour * HOUR_MS, "bucket": pair.bucket}
        step.scored({**record, "production": pair.production, "shadow": pair.shadow, "end": False}, NOW_MS)
        if pair.label is not None:
            step.label(Partition("chargebacks", 0), id_, pair.label, (pair.hour + 5) * HOUR_MS, NOW_MS)
    step.scored({"id": None, "task": TASK, "end": True}, NOW_MS)
    records = [own.decode(one.value or b"")[1] for one in step.prepare() if one.topic == settings.plan.of("stats")]
    judge = JudgeStep(settings, REVISION, [TASK, task_of(TASK)])
    windows = [cell(hour * HOUR_MS, match=n, input=n) for hour, n in sorted(matches.items())]
    for at, one in enumerate([stats(TASK, 1, *windows, complete=True), *records]):
        own.read("stats", own.encode("stats", one))  # a judge would read it
        judge.step(0, at, one)
    return judge.verdict(0)
