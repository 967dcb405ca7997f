"""`make judge-power`: how soon the judge decides and detects, beside its limits, into a table of docs/judging.md.

`tests/judge/test_power_table.py` holds the table against its limits, its medians and the tests that know the rates.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from tests.judge.claims import limits
from tests.judge.power import DETECTIONS, QUIET, RACES, Compared, Detection, Quiet, Race

PAGE = Path(__file__).parents[2] / "docs" / "judging.md"
BEGIN = "<!-- power of the judge: begin (make judge-power) -->"
END = "<!-- power of the judge: end -->"
SEED = 8
SETTINGS: tuple[Race | Detection, ...] = (*RACES, *DETECTIONS)
ALL: tuple[Any, ...] = (*SETTINGS, *QUIET)
HEAD = "| case | records of the judge (median) | runs | a test that knows the rates | ratio | 95 % interval | at most |"


def row(setting: Race | Detection, found: Compared) -> str:
    """A row of the table."""
    low, high = found.interval
    known = "SPRT" if isinstance(setting, Race) else "CUSUM"
    cells = (
        *(setting.words, f"{found.median:,.0f}", f"{setting.runs}", f"{known} {found.best:,.0f}"),
        *(f"{found.ratio:.2f}", f"{low:.2f} to {high:.2f}", f"{setting.ratio_max:g}"),
    )
    return f"| {' | '.join(cells)} |"


def table(compared: dict[Race | Detection, Compared], incidents: dict[Quiet, int]) -> str:
    """The table, and the sentence about windows without a change."""
    windows, opened = sum(setting.windows for setting in incidents), sum(incidents.values())
    high = 1_000 * limits(opened, windows)[1]
    before = sum(200 * setting.runs for setting in compared if isinstance(setting, Detection))
    early = sum(found.early for found in compared.values())
    return "\n".join(
        [
            *(HEAD, f"|{'---|' * HEAD.count(' |')}"),
            *(row(setting, found) for setting, found in compared.items()),
            "",
            f"Incidents without a change: {opened} in {windows:,} windows (95 %: up to {high:.3f} in 1,000); limit 0.",
            f"Incidents before the changes of the table: {early} in {before:,} windows.",
        ]
    )


def measured(
    seed: int = SEED, processes: int | None = None
) -> tuple[dict[Race | Detection, Compared], dict[Quiet, int]]:
    """Run everything; a line on stderr for each setting as it ends."""
    with ProcessPoolExecutor(processes) as pool:
        found = {}
        for setting, one in zip(ALL, pool.map(_found, ALL, repeat(seed)), strict=True):
            found[setting] = one.value
            print(f"{setting.words}: {one.cpu_s:.0f} s of CPU", file=sys.stderr, flush=True)
    return {one: found[one] for one in SETTINGS}, {one: found[one] for one in QUIET}


class _Found(NamedTuple):
    value: Any
    cpu_s: float


def _found(setting: Any, seed: int) -> _Found:
    began = time.process_time()
    return _Found(setting.found(seed), time.process_time() - began)


def table_of(page: str) -> str:
    """The table that the page holds."""
    return page.split(BEGIN)[1].split(END)[0].strip()


def main() -> int:
    """Write the table into the page and print it; 1 where a limit is not held."""
    parser = argparse.ArgumentParser(prog="make judge-power", description=__doc__)
    parser.add_argument("--processes", type=int, help="as many as there are cores unless given")
    began, (compared, incidents) = time.monotonic(), measured(processes=parser.parse_args().processes)
    text, page = table(compared, incidents), PAGE.read_text("utf-8")
    PAGE.write_text(f"{page.split(BEGIN)[0]}{BEGIN}\n{text}\n{END}{page.split(END)[1]}", "utf-8")
    over = [setting.words for setting, found in compared.items() if found.ratio > setting.ratio_max or found.early]
    over += [setting.words for setting, opened in incidents.items() if opened]
    print(text, *(f"over its limit: {name}" for name in over), sep="\n")
    print(f"{time.monotonic() - began:.0f} s; written: docs/judging.md")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
