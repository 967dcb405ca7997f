"""Draws scaling.json: `python drawing.py RESULTS PLOT`, in the environment that has matplotlib."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

LABELS = {"pending": "records that wait", "bytes": "bytes a value", "fields": "fields a value"}
LOGARITHMIC = {"pending"}


def main() -> None:
    rows = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    mpl.rcParams["svg.hashsalt"] = "shadowstream"
    figure, (*axes, last) = plt.subplots(1, 4, figsize=(14, 3.2), layout="constrained")
    for axis, (varied, label) in zip(axes, LABELS.items(), strict=True):
        points = [(row["at"], row["us_per_pair"]) for row in rows if row["varied"] == varied]
        axis.plot(*zip(*points, strict=True), marker="o")
        axis.set(xlabel=label, ylabel="CPU µs a pair", ylim=(0, None), xlim=(0, None))
        if varied in LOGARITHMIC:
            axis.set(xscale="log", xlim=(500, 2_000_000))
        axis.grid(alpha=0.3)
    of_processes = [(str(row["at"]), row["pairs_per_s"]) for row in rows if row["varied"] == "processes"]
    last.bar(*zip(*of_processes, strict=True), width=0.5)
    last.set(xlabel="processes", ylabel="pairs a second of all")
    last.grid(alpha=0.3, axis="y")
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
