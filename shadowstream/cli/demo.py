"""`demo`: from a real Kafka and a year of real flights to a verdict, with production and a candidate."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from shadowstream import extras
from shadowstream.child_processes import module_command
from shadowstream.cli.output import Json, put, put_json, say
from shadowstream.cli.roles import figures_line
from shadowstream.judge.verdict.explain import slice_line

TURN_S = 1.0
TARGET_S = 120.0
MEANS = {
    "promote": "every criterion is shown good: the candidate may take production's place",
    "reject": "it is shown that the candidate must not take production's place",
    "not_yet": "nothing is shown yet, neither good nor bad",
}
NEXT = (
    "next: another candidate (--candidate same, worse or late-bug; with make CANDIDATE=same), "
    'or your own: README.md, "Your own candidate in five minutes"'
)


def demo(
    candidate: Annotated[str, typer.Option(help="same, worse or late-bug")] = "late-bug",
    limit: Annotated[int | None, typer.Option(min=1, help="use only the first so many flights")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="file for the HTML report; default: demo-report.html, none with --json", show_default=False),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="keep Kafka and the trial at the end, until Ctrl-C")] = False,
    as_json: Json = False,
) -> None:
    """From nothing to a verdict: real Kafka, the 336,776 flights of 2013, production, candidate, judgement."""
    extras.require("`demo`", *(["report"] if report or not as_json else []), *([] if as_json else ["web"]))
    from shadowstream.demo import orchestrate

    began = time.monotonic()
    with orchestrate.stage(candidate, say, limit) as staged:
        staged.page = None if as_json else _page()
        say(f"production, runner (candidate: {candidate}), joiner and judge are running")
        if staged.page is not None:
            say(f"live page, while they run: http://{staged.page}/")
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
            for line in lines(verdict, examples):
                put(line)
            say(NEXT)
        if report is not None or not as_json:
            _write_report(staged, report or Path("demo-report.html"))
        if keep:
            _keep(staged)


def _write_report(staged: Any, path: Path) -> None:
    """Write the report; say why, where its extra is missing or the file cannot be written."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    command = module_command("shadowstream", "report", str(staged.config_path), "--out", str(path))
    done = subprocess.run(command, env=staged.environment, capture_output=True, text=True, check=False)
    say(f"report: {path}" if done.returncode == 0 else f"no report: {done.stderr.strip()}")


def _keep(staged: Any) -> None:
    """Wait for Ctrl-C; the broker and the trial's config live as long."""
    names = ("SHADOWSTREAM_BOOTSTRAP", "SHADOWSTREAM_DEMO_MODEL")
    say("Kafka and the trial stay until Ctrl-C. In another terminal:")
    say(f"  export {' '.join(f'{name}={staged.environment[name]}' for name in names)}")
    for command in ("diff", "explain", "web"):
        say(f"  shadowstream {command} {staged.config_path}")
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _page() -> str | None:
    """A free address of this machine for the live page; None where the extra `web` is not installed."""
    if find_spec("nicegui") is None:
        return None
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


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
        """Read the counts so far, once a second, if the progress bar is visible."""
        if self._bar is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TURN_S
        self._follower.look()
        day = self._follower.day
        self._bar.update(self._task, completed=self._follower.pairs, description=f"pairs, to {day}" if day else "pairs")


def _day(time_ms: int | None) -> str:
    return "-" if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


def lines(verdict: dict[str, Any], examples: list[dict[str, Any]]) -> list[str]:
    ran = verdict["candidate_isolation"]
    printed = [
        f"verdict: {verdict['decision']}   (revision {verdict['revision'][:12]}, candidate ran {ran})",
        f"  {MEANS[verdict['decision']]}",
    ]
    printed += [f"  - {reason}" for reason in verdict["reasons"]]
    printed += [f"  note: {caveat}" for caveat in verdict["caveats"]]
    windows = f"{verdict['windows_closed']:,} windows"
    printed.append(f"flights of {_day(verdict['from_ms'])} to {_day(verdict['to_ms'])}, {windows}")
    for rate in verdict["criteria"]:
        estimate = "-" if rate["estimate"] is None else f"{rate['estimate']:.4%}"
        counts = f"{rate['s']:>7,} of {rate['n']:>8,} = {estimate:>9}"
        printed.append(f"  {rate['rate']:<9} {counts}, limit {rate['limit']:.2%}")
    for incident in verdict["incidents"]:
        printed.append(f"incident: {incident['subject']}, open since {_day(incident['opened_ms'])}")
    printed += [f"slice: {slice_line(excess)}" for excess in verdict["slices"]]
    outcomes = ", ".join(f"{name} {n:,}" for name, n in sorted(verdict["outcomes"].items()))
    printed.append(f"outcomes: {outcomes}; conservation remainder {verdict['remainder']}")
    for example in examples:
        printed.append(f"example: {(example['key'] or b'').decode('utf-8', 'replace')} ({_day(example['time_ms'])})")
        for difference in example["differences"]:
            sides = f"production {difference['production']}, candidate {difference['shadow']}"
            printed.append(f"  {difference['path']}: {sides}")
    return printed
