"""bench/results.json as a table between two markers of the README, and as ratios in docs/benchmarks.md; a test holds
them together."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results.json"
README = ROOT / "README.md"
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- bench: made by `make bench` from bench/results.json -->"
END = "<!-- bench: end -->"
SHOWN = "flat-100"
WHOLE, STEADY = "pairs_per_cpu_s", "pairs_per_cpu_s_steady"
RATIOS = (
    ("shadowstream", "raw-python", WHOLE, 0.5),
    ("shadowstream", "raw-python", STEADY, 0.5),
    ("shadowstream", "kafka-streams-eos", STEADY, 5),
    ("shadowstream", "hand-java", STEADY, 2),
    ("shadowstream", "hand-python", STEADY, None),
    ("shadowstream", "quix", WHOLE, 20),
    ("shadowstream", "quix", STEADY, 20),
    ("shadowstream", "faust", WHOLE, 50),
    ("shadowstream", "faust", STEADY, 50),
    ("shadowstream", "bytewax", STEADY, None),
    ("shadowstream-runner", "plain-loop", WHOLE, 0.8),
    ("shadowstream-runner", "plain-loop", STEADY, 0.8),
)
"""Ours, theirs, of which figure, and the ratio aimed at."""


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the workload that is `SHOWN`."""
    made = [
        "| engine | pairs | exact | pairs per CPU s | steady | pairs/s | RSS MB | broker CPU s |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        if row["workload"] == SHOWN:
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
    made = ["| ours | beside | whole or steady | aim | measured |", "|---|---|---|--:|--:|"]
    for ours, theirs, figure, aim in RATIOS:
        one, other = (by_engine.get(name, {}).get(figure) for name in (ours, theirs))
        if one and other:
            aimed = "-" if aim is None else f"{aim:g}"
            word = "steady" if figure == STEADY else "whole"
            made.append(f"| {ours} | {theirs} | {word} | {aimed} | {one / other:.2f} |")
    return made


def placed(readme: str, made: list[str]) -> str:
    """A page with a table between its markers."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return "\n".join([head + BEGIN, *made, END]) + tail


def write(rows: list[dict[str, Any]]) -> None:
    """Keep the rows: results.json, the README's table, the ratios in docs."""
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    README.write_text(placed(README.read_text("utf-8"), lines(rows)), "utf-8")
    DOCS.write_text(placed(DOCS.read_text("utf-8"), ratio_lines(rows)), "utf-8")


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text("utf-8")))
