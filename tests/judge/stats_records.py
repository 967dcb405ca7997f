"""A config and stats records for the judge's tests, and one trial told in many ways: split, cut and interleaved."""

import random
from dataclasses import dataclass, field
from typing import Any

from shadowstream.config import Config

REVISION = "00112233445566778899aabbccddeeff"
HOUR_MS = 3_600_000


def config(**judge: Any) -> Config:
    """A bounded trial with these settings of the judge, that counts what their criteria ask for."""
    asked = judge.get("criteria", [])
    names = {one["rate"]: one.get("name") for one in asked}
    checks = [{"path": one["path"], "not_null": True} for one in asked if one["rate"] == "check"]
    change = {"name": names.get("expected"), "paths": ["a"], "rate_max": 0.5, "until": "2100-01-01T00:00:00Z"}
    compare = {
        **({"latency": {"over_ms": 100}} if {"slower", "over", "latency"} & names.keys() else {}),
        **({"checks": checks} if checks else {}),
        **({"expected": [change]} if "expected" in names else {}),
    }
    labels = {"topic": "labels", "id": "id", "path": "late", "horizon_ms": 30 * 24 * HOUR_MS}
    return Config.model_validate(
        {
            "name": "fraud",
            "inputs": ["payments"],
            "production": {"outputs": ["scores"], "group": "scorer", "commits": "after_output"},
            "candidate": {"call": "candidates:score"},
            "bounded": True,
            "judge": judge,
            **({"compare": compare} if compare else {}),
            **({"labels": labels} if "labels" in names else {}),
            **({"twin": {"topic": "again", "group": "again"}} if "twin" in names else {}),
        }
    )


def cell(
    start_ms: int, revision: str = REVISION, fields: dict[str, int] | None = None, **outcomes: int
) -> dict[str, Any]:
    """A delta of one window."""
    return {"start_ms": start_ms, "revision": revision, "outcomes": outcomes, "fields": fields or {}}


def _share(start_ms: int, outcomes: dict[str, int]) -> dict[str, Any]:
    """A delta whose mismatches all differ in the field score."""
    differing = {"score": outcomes.get("mismatch", 0)}
    return {"start_ms": start_ms, "revision": REVISION, "outcomes": outcomes, "fields": differing}


def stats(task: str, seq: int, *cells: dict[str, Any], watermark_ms: int | None = None, **more: Any) -> dict[str, Any]:
    """A stats record whose ledgers balance unless `ledgers` says otherwise."""
    topic, partition = task.rsplit("/", 1)
    record: dict[str, Any] = {
        "task": task,
        "seq": seq,
        "revision": REVISION,
        "sources": [{"topic": topic, "partition": int(partition), "from_offset": seq * 10, "to_offset": seq * 10 + 10}],
        "windows": list(cells),
        "ledgers": [{"ledger": 3, "place": task, "expected": seq * 10, "counted": seq * 10}],
        "pending": 0,
        "watermark_ms": watermark_ms,
        "idle": False,
        "complete": False,
    }
    assert set(more) <= set(record)
    return record | more


@dataclass
class Trial:
    """What happened, whoever tells it: units by window, and corrections `(said in, of window, was, is)`."""

    windows: list[dict[str, int]]
    corrections: list[tuple[int, int, str, str]] = field(default_factory=list)
    window_ms: int = HOUR_MS

    def task_logs(self, draw: random.Random, tasks: int = 1, commits_max: int = 1) -> list[list[dict[str, Any]]]:
        """Stats records per task: every unit goes to some task, every window into 1 to `commits_max` commits."""
        names = [f"scores/{partition}" for partition in range(tasks)]
        records: dict[str, list[dict[str, Any]]] = {name: [] for name in names}

        def say(name: str, *cells: dict[str, Any], **more: Any) -> None:
            records[name].append(stats(name, len(records[name]) + 1, *cells, **more))

        for index, outcomes in enumerate(self.windows):
            start_ms = index * self.window_ms
            for _, of, was, now in [correction for correction in self.corrections if correction[0] == index]:
                say(draw.choice(names), _share(of * self.window_ms, {was: -1, now: 1}))
            shares = {name: [dict[str, int]() for _ in range(draw.randint(1, commits_max))] for name in names}
            for outcome, units in outcomes.items():
                for units_of_share in _split(draw, units, 8):
                    share = draw.choice(shares[draw.choice(names)])
                    share[outcome] = share.get(outcome, 0) + units_of_share
            for name, parts in shares.items():
                for part in parts[:-1]:
                    say(name, _share(start_ms, part))
                last = parts[-1]
                say(name, _share(start_ms, last), watermark_ms=start_ms + self.window_ms)
        for name in names:
            say(name, complete=True)
        return list(records.values())


def _split(draw: random.Random, units: int, parts: int) -> list[int]:
    cuts = sorted(draw.randint(0, units) for _ in range(parts - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, units], strict=True) if high > low]


def interleaved(draw: random.Random, tasks: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """All records, each task's in order, the tasks mixed at random."""
    turns = [index for index, records in enumerate(tasks) for _ in records]
    draw.shuffle(turns)
    streams = [iter(records) for records in tasks]
    return [next(streams[turn]) for turn in turns]
