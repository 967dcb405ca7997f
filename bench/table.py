"""bench/results.json as a table between two markers of the README; a test holds the two together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results.json"
README = ROOT / "README.md"
BEGIN = "<!-- bench: made by `make bench` from bench/results.json -->"
END = "<!-- bench: end -->"
SHOWN = "flat-100"


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


def placed(readme: str, rows: list[dict[str, Any]]) -> str:
    """The README with the table between its markers."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return "\n".join([head + BEGIN, *lines(rows), END]) + tail


def write(rows: list[dict[str, Any]]) -> None:
    """Keep the rows: results.json, and the README's table."""
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    README.write_text(placed(README.read_text("utf-8"), rows), "utf-8")
