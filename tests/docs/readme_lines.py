"""Lines of `diff` and `explain` in the README: those of the demo's nineteen days in summer, with its late bug.

`make pictures` writes them; `tests/pipeline/test_readme_lines.py` compares them with the run of the tests.
"""

import re
import sys

from shadowstream.cli.output import wrapped
from shadowstream.demo.model import train
from tests import forked
from tests.docs.markdown import ROOT
from tests.pipeline.demo_run import Demo, DemoRuns

README = ROOT / "README.md"
BEGIN, END = "<!-- demo: begin (make pictures) -->", "<!-- demo: end -->"
CONFIG = "flights.yaml"
COMMANDS = {f"diff {CONFIG} --limit 4": 5, f"explain {CONFIG}": 15}
"""Command lines, and the number of lines that the README shows of each."""
LEFT_OUT = ("  note: ", "  coverage: ", "  covered ")
"""Beginnings of lines of `explain` that the README leaves out."""
WIDTH = 125
MARGIN = "…"


def printed(command: str, demo: Demo) -> list[str]:
    """Return what a command prints about a demo, wrapped as on a terminal."""
    words = [str(demo.config_path) if word == CONFIG else word for word in command.split()]
    done = forked.run([sys.executable, "-m", "shadowstream", *words], 120, env=demo.environment)
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip().replace(str(demo.config_path), CONFIG) for line in done.stdout.splitlines()]
    if command.startswith("diff"):
        return lines
    kept = [line for line in lines if not line.startswith(LEFT_OUT)]
    return [part for line in kept for part in wrapped(line, WIDTH).splitlines()]


def block(demo: Demo) -> list[str]:
    """Return the lines of the README's block."""
    lines = []
    for command, count in COMMANDS.items():
        found = printed(command, demo)
        lines += [f"$ shadowstream {command}", *found[:count], *([MARGIN] if found[count:] else [])]
    return lines


def shown() -> list[str]:
    """Return the lines that the README shows."""
    return README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()[1:-1]


def main() -> None:
    """Run the demo and write the lines into the README."""
    with DemoRuns(train()) as runs:
        made = "\n".join([BEGIN, "```text", *block(runs.demo("late-bug")), "```", END])
    text = README.read_text("utf-8")
    README.write_text(re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: made, text, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
