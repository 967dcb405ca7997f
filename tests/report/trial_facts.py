"""Facts of a trial that never ran: judged by the real step, with rows of diff as the joiner writes them."""

import json
from copy import deepcopy
from functools import cache
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import explain
from shadowstream.report.facts import ExampleInput, Examples, Facts, History, about
from shadowstream.status.pair_values import FieldOfInput
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

FIRST_MS = 1_370_044_800_000
MADE_MS = FIRST_MS + 72 * HOUR_MS
INPUT = (FieldOfInput("amount", "250"), FieldOfInput("country", '"NO"'))
HOSTILE = "<script>alert('owned')</script> | `$x^2$` @everyone \x00 ]]>"


def judged(hours: int = 60, bad_from: int = 40, **judge: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Verdicts hour by hour, and the drift events: 100 pairs an hour, of which from `bad_from` on 8 differ."""
    return deepcopy(_judged(hours, bad_from, json.dumps(judge)))


@cache
def _judged(hours: int, bad_from: int, judge: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Judge each trial once in a process: many tests look at the same one."""
    from shadowstream.codecs import own

    trial = config(**json.loads(judge)).model_dump(exclude_unset=True)
    trial["compare"] = {"dimensions": [{"name": "carrier", "path": "carrier"}]}
    step = JudgeStep(Config.model_validate(trial), REVISION, ["scores/0"])
    verdicts, drift = [], []
    for hour in range(hours):
        bad = 8 if hour >= bad_from else 0
        start_ms = FIRST_MS + hour * HOUR_MS
        delta = cell(start_ms, fields={"score": bad, HOSTILE: bad // 2}, match=100 - bad, mismatch=bad, input=100)
        delta["slices"] = [
            {"dimensions": ["carrier"], "values": [name], "n": 50, "s": s} for name, s in (("AA", 0), (HOSTILE, bad))
        ]
        step.step(0, hour, stats("scores/0", hour + 1, delta, watermark_ms=start_ms + HOUR_MS))
        effects = step.evaluate(FIRST_MS)
        verdicts.append(effects.verdict)
        events = [own.decode(one.value or b"") for one in effects.writes]
        drift += [record for kind, record in events if kind == "drift"]
    return verdicts, drift


def row(number: int, outcome: str = "mismatch", **more: Any) -> dict[str, Any]:
    """A row of diff."""
    return {
        "pair_id": f"scores/0/{number}",
        "task": "scores/0",
        "outcome": outcome,
        "revision": REVISION,
        "time_ms": FIRST_MS + number * 1_000,
        "key": f"order-{number}".encode(),
        "differences": [
            {"path": "score", "kind": "value", "production": "0.25", "shadow": "0.75", "delta": 0.5},
            {"path": HOSTILE, "kind": "missing", "production": f'"{HOSTILE}"', "shadow": None, "delta": None},
        ]
        if outcome == "mismatch"
        else [],
        "reason": None if outcome == "mismatch" else "timeout",
        "identity": "key",
        **dict.fromkeys(("production", "shadow", "twin", "input", "correction_of", "id")),
        **dict.fromkeys(("late", "ambiguous"), False),
        **more,
    }


def facts(examples: int = 3, name: str = "fraud", **judge: Any) -> Facts:
    """A trial that was good for 40 hours and then was not."""
    verdicts, drift = judged(**judge)
    history, kept = History(REVISION), Examples(REVISION, max(1, examples), max(1, examples))
    for verdict in verdicts:
        history.take(verdict)
    for number in range(examples):
        kept.take(row(number, "missing" if number % 7 == 3 else "mismatch"))
    last = verdicts[-1]
    explanation = explain(last, last["decision"], last["reasons"])
    inputs = {one["pair_id"]: ExampleInput(f"payments/0@{n}", INPUT) for n, one in enumerate(kept.rows)}
    return Facts(
        name,
        REVISION,
        explanation,
        about(config(), last, "trial.yaml", "cd" * 32, MADE_MS),
        last,
        history.points,
        drift,
        kept.rows,
        kept.left,
        inputs,
        kept.typical,
        "trial.yaml",
    )


@cache
def trial() -> Facts:
    """The same trial, judged once and only where a test looks at it: each process that tests imports its module."""
    return facts()


def nothing() -> Facts:
    """A trial of which there is no verdict."""
    from shadowstream.cli.answer import Answer
    from shadowstream.cli.explain import explained

    answer = Answer("not_yet", ["there is no verdict topic: no window has been judged"], REVISION)
    return Facts("fraud", REVISION, explained(answer), command="trial.yaml")
