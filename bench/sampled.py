"""Where the CPU time of the joiner beside a real broker goes: its main thread, sampled at each tick of CPU time.

`python -m bench.sampled` runs the joiner of `bench` once, on the README's workload, and prints the share of each part.
`--write` keeps the table in bench/sampled.json and docs/benchmarks.md.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from bench import table
from bench.__main__ import PAIRS, Place, play
from bench.conditions import conditions, sentence
from shadowstream.testing.embedded import EmbeddedKafka

RESULTS = table.ROOT / "bench" / "sampled.json"
BEGIN, END = "<!-- sampled: made by `python -m bench.sampled --write` -->", "<!-- sampled: end -->"


def lines(found: dict[str, Any]) -> list[str]:
    """The table of a run."""
    made = ["| part | share of the CPU time |", "|---|--:|"]
    return [*made, *(f"| {name} | {share:g} % |" for name, share in found["shares"].items())]


def docs_with(page: str, found: dict[str, Any]) -> str:
    """The page with the table of a run."""
    return table.placed(page, [*lines(found), "", sentence(found["conditions"])], BEGIN, END)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sampled", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    asked, found = parser.parse_args(), {"conditions": conditions()}
    with EmbeddedKafka(heap_mb=1_024) as kafka, tempfile.TemporaryDirectory(prefix="shadowstream-bench-") as folder:
        played = play(Place(kafka, Path(folder), set()), "shadowstream", table.SHOWN, asked.pairs, is_sampled=True)
    found |= {"pairs": played["pairs"], "shares": played["shares"]}
    print("\n".join(lines(found)))
    if asked.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        table.DOCS.write_text(docs_with(table.DOCS.read_text("utf-8"), found), "utf-8")


if __name__ == "__main__":
    main()
