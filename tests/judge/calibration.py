"""`make calibrate`: what the judge promises, measured by seeded runs through its real step.

Each part prints a share of runs, its exact binomial interval, the claim and the assumption of the claim. The exit code
is 1 where a claim is refuted.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from tests.judge import (
    calibration_at_the_limit,
    calibration_of_auc,
    calibration_of_clusters,
    calibration_of_distributions,
    calibration_of_looks,
    calibration_of_losses,
    calibration_of_pairs,
    calibration_of_quantiles,
    calibration_of_slices,
    power,
)
from tests.judge.claims import Line, Part

ROOMS = (
    calibration_of_clusters,
    power,
    calibration_at_the_limit,
    calibration_of_slices,
    calibration_of_losses,
    calibration_of_pairs,
    calibration_of_auc,
    calibration_of_looks,
    calibration_of_quantiles,
    calibration_of_distributions,
)
PARTS: tuple[Part, ...] = tuple(part for room in ROOMS for part in room.PARTS)
SHARE = 0.2
"""Of the full number of runs: the default takes 17 to 30 minutes on two cores, and all runs about an hour."""


class Measured(NamedTuple):
    """The lines of one part, and the seconds of CPU that they took."""

    lines: list[Line]
    cpu_s: float


def measured(part: Part, seed: int, share: float) -> Measured:
    """Run one part."""
    began = time.process_time()
    return Measured(part.lines(seed, share), time.process_time() - began)


def chosen(pattern: str) -> list[Part]:
    """The parts whose title has a match of a regular expression. ValueError if none has."""
    found = [part for part in PARTS if re.search(pattern, part.title)]
    if not found:
        subjects = ", ".join(dict.fromkeys(part.subject for part in PARTS))
        raise ValueError(f"no part has a match of {pattern!r}; subjects: {subjects}")
    return found


def run(parts: Sequence[Part], seed: int, share: float, processes: int | None) -> Iterator[tuple[Part, Measured]]:
    """Each part as soon as it and all before it have ended."""
    with ProcessPoolExecutor(processes) as pool:
        waiting = [pool.submit(measured, part, seed, share) for part in parts]
        yield from ((part, one.result()) for part, one in zip(parts, waiting, strict=True))


def printed(parts: Sequence[Part], seed: int, share: float, processes: int | None) -> int:
    """Run parts and print them; 1 where a claim is refuted."""
    began, cpu_s, refuted = time.monotonic(), 0.0, list[str]()
    for number, (part, found) in enumerate(run(parts, seed, share, processes), start=1):
        cpu_s += found.cpu_s
        at = f"[{number}/{len(parts)}, {time.monotonic() - began:.0f} s]"
        print(f"{at} {part.subject}, {found.cpu_s:.0f} s of CPU")
        for line, holds in found.lines:
            print(line if holds else f"{line}   <- REFUTED", flush=True)
        refuted += [f"{found.lines[0][0]}\n{line}" for line, holds in found.lines if not holds]
    took = f"{time.monotonic() - began:.0f} s, {cpu_s:.0f} s of CPU"
    print(f"{len(parts)} parts in {took}, {share:g} of the runs; {len(refuted)} claims refuted")
    print(*refuted, sep="\n", end="\n" if refuted else "")
    return int(bool(refuted))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen parts as the command line asks."""
    parser = argparse.ArgumentParser(prog="make calibrate", description=__doc__)
    parser.add_argument("--runs", type=_share, default=SHARE, help="share of the full number of runs (%(default)s)")
    parser.add_argument("--parts", default="", help="only parts whose title has a match of this expression")
    parser.add_argument("--processes", type=int, help="as many as there are cores unless given")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--list", action="store_true", help="print the titles of the chosen parts and end")
    asked = parser.parse_args(arguments)
    try:
        parts = chosen(asked.parts)
    except (ValueError, re.error) as error:
        parser.error(str(error))
    if asked.list:
        print(*(part.title for part in parts), sep="\n")
        return 0
    return printed(parts, asked.seed, asked.runs, asked.processes)


def _share(text: str) -> float:
    share = float(text)
    if not 0.0 < share <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is no share: give a number above 0 and at most 1")
    return share


if __name__ == "__main__":
    sys.exit(main())
