"""bench/results.json between markers: four rows in the README, all rows and ratios in docs/benchmarks.md, each with the
conditions of the run; a test compares."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypedDict

from bench.conditions import sentence

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results.json"
README = ROOT / "README.md"
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- bench: made by `make bench` from bench/results.json -->"
END = "<!-- bench: end -->"
ALL_BEGIN, ALL_END = "<!-- bench, all engines: made by `make bench` -->", "<!-- bench, all engines: end -->"
SHOWN = "flat-100"
IN_README = ("shadowstream", "kafka-streams-eos", "hand-java", "quix")
WHOLE, STEADY = "pairs_per_cpu_s", "pairs_per_cpu_s_steady"
RATIOS = (
    ("shadowstream", "raw-python", WHOLE, None),
    ("shadowstream", "raw-python", STEADY, 0.5),
    ("shadowstream-python", "raw-python", STEADY, 0.3),
    ("shadowstream", "kafka-streams-eos", STEADY, 8),
    ("shadowstream", "hand-java", WHOLE, 2),
    ("shadowstream", "hand-java", STEADY, 1),
    ("shadowstream", "hand-python", STEADY, None),
    ("shadowstream", "quix", WHOLE, None),
    ("shadowstream", "quix", STEADY, 40),
    ("shadowstream", "faust", WHOLE, None),
    ("shadowstream", "faust", STEADY, 60),
    ("shadowstream", "bytewax", STEADY, None),
    ("shadowstream-runner", "plain-loop", WHOLE, None),
    ("shadowstream-runner", "plain-loop", STEADY, 1),
)
"""Ours, theirs, of which figure, and the ratio aimed at."""


class Results(TypedDict):
    """All rows of one run, and its conditions."""

    conditions: dict[str, Any]
    rows: list[dict[str, Any]]


def read(path: Path = RESULTS) -> Results:
    """Read the results of the last run."""
    found: Results = json.loads(path.read_text("utf-8"))
    return found


def lines(rows: list[dict[str, Any]], engines: Collection[str] = ()) -> list[str]:
    """The table of the workload that is `SHOWN`; of all engines, or of the named ones."""
    made = [
        "| engine | pairs | exact | pairs per CPU s | steady | pairs/s | RSS MB | broker CPU s |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        if row["workload"] == SHOWN and (not engines or row["engine"] in engines):
            steady = "-" if row["pairs_per_cpu_s_steady"] is None else f"{row['pairs_per_cpu_s_steady']:,}"
            made.append(
                f"| {row['engine']} ({row['version']}) | {row['pairs']:,} | {'yes' if row['exact'] else 'NO'} "
                f"| {row['pairs_per_cpu_s']:,} | {steady} | {row['pairs_per_s']:,} | {row['rss_mb']} "
                f"| {row['broker_cpu_s']} |"
            )
    return made


def ratio_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Our rates as multiples of others', of the workload that is `SHOWN`, of engines that ran."""
    by_engine = {row["engine"]: row for row in rows if row["workload"] == SHOWN}
    made = ["| shadowstream | beside | whole or steady | aim | measured |", "|---|---|---|--:|--:|"]
    for ours, theirs, figure, aim in RATIOS:
        one, other = (by_engine.get(name, {}).get(figure) for name in (ours, theirs))
        if one and other:
            aimed = "-" if aim is None else f"{aim:g}"
            word = "steady" if figure == STEADY else "whole"
            made.append(f"| {ours} | {theirs} | {word} | {aimed} | {one / other:.2f} |")
    return made


def placed(page: str, made: list[str], begin: str = BEGIN, end: str = END) -> str:
    """A page with a table between its markers."""
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return "\n".join([head + begin, *made, end]) + tail


def readme_with(results: Results) -> str:
    """The README with the table of today."""
    made = [*lines(results["rows"], IN_README), "", sentence(results["conditions"])]
    return placed(README.read_text("utf-8"), made)


def docs_with(results: Results) -> str:
    """docs/benchmarks.md with the tables of today."""
    measured = sentence(results["conditions"])
    with_ratios = placed(DOCS.read_text("utf-8"), [*ratio_lines(results["rows"]), "", measured])
    return placed(with_ratios, [*lines(results["rows"]), "", measured], ALL_BEGIN, ALL_END)


def write(results: Results) -> None:
    """Keep the rows: results.json and the tables of both pages."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    README.write_text(readme_with(results), "utf-8")
    DOCS.write_text(docs_with(results), "utf-8")


if __name__ == "__main__":
    write(read())
