"""The examples, run as their pages say: every command, in order, with the exit code that a comment beside it names."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shadowstream.testing.choice import Broker
from tests import forked
from tests.docs.markdown import ROOT, blocks

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/trial.yaml"))
EXIT_CODE = re.compile(r"# exit code (\d+)")
PRINTED = {
    "flat_json": ["tolerated "],
    "avro_schemas": ["cost.tax", "country=FI"],
    "twin_noise": ["twin: production differs"],
    "late_labels": ["better by"],
    "stateful": ["shadow.visits.diff"],
}
"""What the commands print, beginning with a word that the page points at."""
LIMIT_S = 180


def steps(page: Path) -> list[tuple[list[str], int]]:
    """The commands of a page, each with the exit code that it must have."""
    lines = [line for one in blocks(page, "sh") for line in one.splitlines()]
    codes = (EXIT_CODE.search(line) for line in lines)
    return [
        (shlex.split(line, comments=True), int(code[1]) if code else 0) for line, code in zip(lines, codes, strict=True)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the examples: what a run leaves behind belongs to no revision of the real ones."""
    return Path(shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_command_of_an_example_does_what_its_page_promises(name: str, folder: Path, kafka: Broker) -> None:
    settings = {**os.environ, "KAFKA_BOOTSTRAP": kafka.bootstrap, "PYTHONPATH": str(ROOT)}
    programs = {"python": [sys.executable], "shadowstream": [sys.executable, "-m", "shadowstream"]}
    printed = ""
    for words, code in steps(folder / name / "README.md"):
        command = [*programs[words[0]], *words[1:]]
        if words[0] == "shadowstream":
            done = forked.run(command, LIMIT_S, cwd=folder / name, env=settings)
        else:
            done = subprocess.run(command, cwd=folder / name, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{words}: {done.stdout[-2_000:]}{done.stderr[-2_000:]}"
        printed += done.stdout
    look = (folder / name / "README.md").read_text("utf-8").partition("**Look at:**")[2]
    assert [
        words for words in PRINTED[name] if words not in printed or words.partition(" ")[0].rstrip("-") not in look
    ] == []


def gates(name: str) -> list[int]:
    """The exit codes of the gate on the page of an example."""
    page = ROOT / "examples" / name / "README.md"
    return [code for words, code in steps(page) if words[:2] == ["shadowstream", "gate"]]


def test_the_table_of_examples_names_each_with_its_verdict() -> None:
    table = (ROOT / "examples" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\(\1/README.md\) \| [^|]+ \| (\w+) \|$", table, re.MULTILINE)
    codes = {"promote": 0, "reject": 3, "not yet": 4}
    assert {name: [codes[verdict]] for name, verdict in rows} == {name: gates(name) for name in EXAMPLES}
    assert len(EXAMPLES) == 5
