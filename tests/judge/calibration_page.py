"""docs/calibration.md: the lines that `make calibrate` printed, by subject.

`python -m tests.judge.calibration_page LOG` writes it from the output of a run. `tests/judge/test_calibration_page.py`
holds its parts against those of the code, and each share against the claim beside it.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"
HEAD = """\
# Calibration of the judge

`make calibrate` printed these lines. Each share has its exact binomial interval (95 %), its claim and the assumption of
the claim; `p` is the exact test of the claim. [Judging](judging.md) has the meaning of each criterion and unit, and
[how soon the judge decides](judging.md#how-soon-the-judge-decides). `make calibrate | tee run.log`, then
`.venv/bin/python -m tests.judge.calibration_page run.log` writes this page.
"""
_PROGRESS = re.compile(r"^\[\d+/\d+[^]]*\] ([\w ]+), \d+ s of CPU")
_TOTAL = re.compile(r"^\d+ parts in ")


class Block(NamedTuple):
    """The lines of one part."""

    subject: str
    lines: list[str]


def blocks(log: str) -> Iterator[Block]:
    """The blocks of a run's output but those of power, which docs/judging.md has as a table.

    ValueError if the run has not ended.
    """
    if not any(_TOTAL.match(line) for line in log.splitlines()):
        raise ValueError("the run has not ended: its output has no line with the number of parts")
    block = None
    for line in log.splitlines():
        begins = _PROGRESS.match(line)
        if begins or _TOTAL.match(line):
            if block is not None and block.subject != "power":
                yield block
            block = Block(begins.group(1), []) if begins else None
        elif block is not None:
            block.lines.append(line)


def page(log: str) -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for subject, found in groupby(blocks(log), key=lambda block: block.subject):
        text = "\n\n".join("\n".join(block.lines) for block in found)
        parts.append(f"## {subject}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def blocks_of(text: str) -> list[Block]:
    """The blocks of the page."""
    sections = re.findall(r"^## ([\w ]+)\n\n```text\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    return [Block(subject, block.splitlines()) for subject, held in sections for block in held.split("\n\n")]


def main(arguments: Sequence[str]) -> int:
    """Write the page from the output of a run."""
    if len(arguments) != 1:
        print("usage: python -m tests.judge.calibration_page LOG", file=sys.stderr)
        return 2
    PAGE.write_text(page(Path(arguments[0]).read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
