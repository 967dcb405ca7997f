"""Draws growth.json: `python growth_plot.py RESULTS PLOT`, in the environment that has matplotlib."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

Row = dict[str, Any]


def main() -> None:
    rows = json.loads(Path(sys.argv[1]).read_text("utf-8"))["rows"]
    mpl.rcParams["svg.hashsalt"] = "shadowstream"
    figure, (waits, commits, tasks, mismatches, latency) = plt.subplots(1, 5, figsize=(17, 3.2), layout="constrained")
    for order, word in (("in", "in order"), ("random", "in random order"), ("spread", "random, many windows")):
        of_order = [row for row in rows if row["varied"] == "waiting" and row["order"] == order]
        at = [row["at"] for row in of_order]
        waits.plot(at, [row["read_us_per_pair"] + row["commit_us_per_pair"] for row in of_order], "o-", label=word)
        commits.plot(at, [row["ms_per_commit"] for row in of_order], "o-", label=word)
    for axis, unit in ((waits, "CPU µs a pair"), (commits, "CPU ms a commit")):
        axis.set(xlabel="records that wait", ylabel=unit, xscale="log", ylim=(0, None))
        axis.legend()
    _line(tasks, [row for row in rows if row["varied"] == "tasks"], "ms_per_commit")
    tasks.set(xlabel="tasks of one process", ylabel="CPU ms a commit", xscale="log", ylim=(0, None))
    _line(mismatches, [row for row in rows if row["varied"] == "mismatches"], "commit_us_per_pair")
    mismatches.set(xlabel="pairs that differ, %", ylabel="CPU µs a pair at commits", ylim=(0, None))
    paced = [row for row in rows if row["varied"] == "rate" and not row.get("reasons")]
    for figure_of in ("p50_ms", "p99_ms"):
        latency.plot([row["at"] for row in paced], [row[figure_of] for row in paced], "o-", label=figure_of[:3])
    latency.set(xlabel="records a second", ylabel="ms from record to row", xscale="log", ylim=(0, None))
    latency.legend()
    for axis in (waits, commits, tasks, mismatches, latency):
        axis.grid(alpha=0.3)
    figure.savefig(sys.argv[2], metadata={"Date": None})


def _line(axis: Any, rows: list[Row], of: str) -> None:
    axis.plot([row["at"] for row in rows], [row[of] for row in rows], "o-")


if __name__ == "__main__":
    main()
