"""The README's lines of `diff` and `explain` are what the demo of the tests prints."""

import re

from tests.docs import readme_lines
from tests.pipeline.demo_run import DemoRuns

CHANGING = re.compile(r"\b[0-9a-f]{12,}\b|\d[\d.,]* m?s\b")
"""The revision, which changes with the code, and durations of the machine."""


def stable(lines: list[str]) -> list[str]:
    return [CHANGING.sub("…", line) for line in lines]


def test_the_lines_of_the_readme_are_those_of_the_demo(demo_runs: DemoRuns) -> None:
    shown = readme_lines.shown()
    assert 18 <= len(shown) <= 24
    assert stable(readme_lines.block(demo_runs.demo("late-bug"))) == stable(shown), "run: make pictures"
