"""`demo`: a real Kafka, a year of real flights, production, the candidate, a verdict."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from shadowstream.cli.output import Json, put, put_json, say
from shadowstream.cli.roles import figures_line

TURN_S = 1.0
TARGET_S = 120.0


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)


def demo(
    candidate: Annotated[str, typer.Option(help="same, worse or late-bug")] = "late-bug",
    limit: Annotated[int | None, typer.Option(min=1, help="use only the first so many flights")] = None,
    as_json: Json = False,
) -> None:
    """From nothing to a verdict: real Kafka, the 336,776 flights of 2013, production, candidate, judgement."""
    from shadowstream.demo import orchestrate

    began = time.monotonic()
    with orchestrate.stage(candidate, say, limit) as staged:
        say(f"production, runner (candidate: {candidate}), joiner and judge are running")
        with _watch(staged) as watch:
            orchestrate.run(staged, watch.turn)
        verdict = orchestrate.verdict_of(staged.config)
        examples = orchestrate.examples_of(staged.config)
        for figures in staged.figures():
            say(figures_line(figures))
        say(f"demo: {time.monotonic() - began:.1f} s (target {TARGET_S:.0f} s)")
        if as_json:
            put_json(verdict)
        else:
            _print(verdict, examples)


class _watch:
    """Progress of the demo: a bar on a terminal, nothing elsewhere."""

    def __init__(self, staged: Any) -> None:
        from shadowstream.demo.progress import Follower

        self._follower = Follower(staged.config, staged.loaded)
        self._bar: Progress | None = None
        self._next = 0.0
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )

    def __enter__(self) -> _watch:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("pairs", total=self._follower.total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._follower.close()

    def turn(self, _supervisor: object) -> None:
        """Look at what has been counted so far, once a second, where somebody watches."""
        if self._bar is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TURN_S
        self._follower.look()
        day = self._follower.day
        self._bar.update(self._task, completed=self._follower.pairs, description=f"pairs, to {day}" if day else "pairs")


def _day(time_ms: int | None) -> str:
    return "-" if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


def _print(verdict: dict[str, Any], examples: list[dict[str, Any]]) -> None:
    ran = verdict["candidate_isolation"]
    put(f"verdict: {verdict['decision']}   (revision {verdict['revision'][:12]}, candidate ran {ran})")
    for reason in verdict["reasons"]:
        put(f"  - {reason}")
    for caveat in verdict["caveats"]:
        put(f"  note: {caveat}")
    put(f"flights of {_day(verdict['from_ms'])} to {_day(verdict['to_ms'])}, {verdict['windows_closed']:,} windows")
    for one in verdict["criteria"]:
        estimate = "-" if one["estimate"] is None else f"{one['estimate']:.4%}"
        put(f"  {one['rate']:<9} {one['s']:>7,} of {one['n']:>8,} = {estimate:>9}, limit {one['limit']:.2%}")
    outcomes = ", ".join(f"{name} {n:,}" for name, n in sorted(verdict["outcomes"].items()))
    put(f"outcomes: {outcomes}; conservation remainder {verdict['remainder']}")
    for example in examples:
        put(f"example: {(example['key'] or b'').decode('utf-8', 'replace')} ({_day(example['time_ms'])})")
        for difference in example["differences"]:
            put(f"  {difference['path']}: production {difference['production']}, candidate {difference['shadow']}")
