"""Trials told window by window, with what each value of a dimension holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.trials_through_the_joiner import only_criteria

TASK = "scores/0"
Values = Mapping[str, Mapping[str, int]]
"""By value of the dimension tenant: n and s, and figures by name."""


def sliced(dimensions: Sequence[str] = ("tenant",), **judge: Any) -> Config:
    """A judge of pairs with these dimensions."""
    if "criteria" in judge:
        judge = judge | {"criteria": only_criteria(judge["criteria"])}
    rates = {one["rate"] for one in judge.get("criteria", ())}
    latency = {"latency": {"over_ms": 100}} if rates & {"slower", "over"} else {}
    compare = {"dimensions": [{"name": name, "path": name} for name in dimensions], **latency}
    return Config.model_validate(config().model_dump(exclude_unset=True) | {"judge": judge, "compare": compare})


def hour(index: int, values: Values, dimension: str = "tenant", **outcomes: int) -> dict[str, Any]:
    """A window, as a joiner says it; without `outcomes` the pairs of the values are all that there is."""
    n, s = (sum(one.get(name, 0) for one in values.values()) for name in "ns")
    held = cell(index * HOUR_MS, **(outcomes or {"match": n - s, "mismatch": s, "input": n}))
    held["slices"] = [
        {"dimensions": [dimension], "values": [value], "n": one.get("n", 0), "s": one.get("s", 0)}
        for value, one in values.items()
    ]
    held["values"] = [
        {"dimension": dimension, "value": value, "figures": {k: n for k, n in one.items() if k not in "ns"}}
        for value, one in values.items()
    ]
    return held


def judged(settings: Config, hours: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The last verdict of a bounded trial."""
    step = JudgeStep(settings, REVISION, [TASK])
    for index, one in enumerate(hours):
        step.step(0, index, stats(TASK, index + 1, one, watermark_ms=(index + 1) * HOUR_MS))
    step.step(0, len(hours), stats(TASK, len(hours) + 1, complete=True))
    return step.verdict(0)
