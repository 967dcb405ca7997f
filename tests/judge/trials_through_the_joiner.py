"""Trials of the judge that the joiner's own step has counted: values of both sides in, the last verdict out."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from tests.joiner.joiner_world import REVISION, WINDOW_MS, World, config
from tests.joiner.outcome_cases import inputs

Value = Any | Callable[[int], Any]
SILENT = object()
"""The value of a record that is not written."""


def only_criteria(criteria: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """These criteria, and nothing else that decides: the other rates of whole records are named and muted."""
    named = {one["rate"] for one in criteria if not (one.get("where") or one.get("topic"))}
    others = [rate for rate in ("missing", "extra", "error", "duplicate") if rate not in named]
    return [*criteria, *({"rate": rate, "limit": 0.01, "muted": True} for rate in others)]


def trial(criteria: Sequence[dict[str, Any]], rules: Iterable[dict[str, Any]] = (), **more: Any) -> Config:
    """A trial with these criteria and rules; `more` beside them: `judge`, `compare` and other parts of the config."""
    judge = {"window_ms": WINDOW_MS, "min_duration_ms": 0, "criteria": only_criteria(criteria), **more.pop("judge", {})}
    compare = {"match_sample": 0, "rules": list(rules), **more.pop("compare", {})}
    return config(judge=judge, compare=compare, **more)


def joined(settings: Config, production: Value, candidate: Value, n: int = 1_000, twin: Value = SILENT) -> World:
    """A world in which `n` records of both sides have been read, and of a twin where it says something."""
    world = World(settings)
    inputs(n)(world)
    world.start()
    world.start_joiner()
    for i in range(n):
        one, other, third = (_text(value, i) for value in (production, candidate, twin))
        if one is not SILENT:
            world.production(f"k{i}", one, i)
        if other is not SILENT:
            world.shadow(f"k{i}", other, i, i)
        if third is not SILENT:
            world.twin(f"k{i}", third, i)
        if i % 500 == 499:
            world.turn()
    world.turn()
    return world


def judged(world: World, settings: Config | None = None) -> dict[str, Any]:
    """The verdict once everything has ended, whatever still waits."""
    settings = settings or world.config
    step = JudgeStep(settings, REVISION, sorted({record["task"] for record in world.stats}))
    for at, record in enumerate(world.stats):
        step.step(0, at, record | {"ledgers": _of_records(record)})
    last = world.stats[-1]
    end = last | {"seq": last["seq"] + 1, "windows": [], "complete": True, "ledgers": _of_records(last)}
    step.step(0, len(world.stats), end)
    return step.verdict(0)


def verdict_of(
    production: Value, candidate: Value, criteria: Sequence[dict[str, Any]], n: int = 1_000, **more: Any
) -> dict[str, Any]:
    """The verdict on a candidate that answers so."""
    return judged(joined(trial(criteria, **more), production, candidate, n))


def field_of(path: str, limit: float = 0.01) -> list[dict[str, Any]]:
    """One criterion on a field."""
    return [{"rate": "field", "path": path, "limit": limit}]


def counts_of(verdict: dict[str, Any], name: str) -> tuple[int, int]:
    """Units and bad ones of a criterion."""
    return next((one["n"], one["s"]) for one in verdict["criteria"] if one["rate"] == name)


def _of_records(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [line for line in record["ledgers"] if line["ledger"] == 3]


def _text(value: Value, i: int) -> Any:
    value = value(i) if callable(value) else value
    if isinstance(value, bytes):  # as it is: broken, perhaps
        return value.decode()
    return value if value is SILENT else json.dumps(value)
