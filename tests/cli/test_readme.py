"""The README's first steps as they stand there, and every command line of the documents: the program takes each."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from shadowstream import cli as program
from shadowstream.configfile import load
from shadowstream.runner import candidate
from tests.cli.conftest import Cli
from tests.docs.markdown import PAGES

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = PAGES
FIRST_STEPS = (ROOT / "README.md").read_text("utf-8").partition("\n## Your own candidate in five minutes\n")[2]
BLOCK = re.compile(r"```(?P<language>\w*)\n(?P<text>.*?)```", re.DOTALL)
VARIABLE = re.compile(r"\$\{(\w+)\}")
INLINE = re.compile(r"`(shadowstream [^`]+)`")


def block(language: str) -> str:
    """The first block of the first steps in a language."""
    return next(found["text"] for found in BLOCK.finditer(FIRST_STEPS) if found["language"] == language)


def test_the_first_config_is_valid_with_the_candidate_beside_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    code = block("python")
    path = Path(code.splitlines()[0].removeprefix("# "))
    path.parent.mkdir()
    path.write_text(code)
    Path("trial.yaml").write_text(block("yaml"))
    result = cli("validate", "trial.yaml")
    assert result.code == 0, result.out
    try:
        answers = candidate.load(load("trial.yaml").candidate)([{"amount": 250.0}])
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == path.parts[0]]:
            del sys.modules[name]
    assert "0.25" in repr(answers)


BASE = {
    "name": "name: fraud",
    "inputs": "inputs: [payments]",
    "production": "production: {outputs: [scores], group: fraud-model, commits: after_output}",
    "candidate": 'candidate: {call: "fraud_v2.model:score"}',
}


def configs(document: Path) -> list[str]:
    """The configs of a document's YAML blocks: whole ones, pieces with `BASE`, and those within a chart's values."""
    found = []
    for one in BLOCK.finditer(document.read_text("utf-8")):
        if one["language"] == "yaml":
            keys, text = yaml.safe_load(one["text"]), one["text"]
            if isinstance(keys, list):
                continue  # steps of a pipeline: tests/cli/test_pipelines.py runs these
            if "apiVersion" in keys:
                continue  # an object of Kubernetes: tests/rollouts checks these
            if "image" in keys:
                keys, text = keys["config"], yaml.safe_dump(keys["config"], sort_keys=False)
            elif re.match(r"# (prometheus\.yml|(values|rollout|canary)\.yaml)\n", text):
                continue  # no trial's config: tests/metrics, tests/helm and tests/rollouts check these
            found.append("\n".join([text, *(line for key, line in BASE.items() if key not in keys)]))
    return found


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if configs(one)], ids=lambda path: path.name)
def test_every_config_of_a_document_is_valid(document: Path, tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    for one in BLOCK.finditer(document.read_text("utf-8")):
        if named := re.match(r"# ([\w-]+\.yaml)\n", one["text"]):  # a file that another one may extend
            (tmp_path / named[1]).write_text(one["text"])
    for config in configs(document):
        path.write_text(config)
        load(path, dict.fromkeys(VARIABLE.findall(config), "0123456789abcdef"))


def lines(text: str) -> list[str]:
    """Command lines of the program in a document: in blocks, and between backticks where no word is left open."""
    found = [
        line.partition("#")[0].partition(">")[0].partition("|")[0].strip()
        for one in BLOCK.finditer(text)
        if one["language"] in ("sh", "")
        for line in one["text"].splitlines()
        if line.startswith("shadowstream ")
    ]
    found += re.findall(r"^    (shadowstream .+)$", text, re.MULTILINE)
    return found + [one for one in INLINE.findall(BLOCK.sub("", text)) if not re.search(r"[|\[…<]", one)]


def taken(line: str) -> Any:
    """Parse a command line as the program would, and run nothing."""
    # In place of a number the page of commands has its name.
    words = ["0.5" if word == "SHARE" else word for word in shlex.split(line)[1:]]
    command = typer.main.get_command(program.app(words))
    if len(words) == 1 and any(words[0] in one.opts for one in command.params):
        return command  # an option of the program, as --version
    while words and words[0] in getattr(command, "commands", {}):
        command = vars(command)["commands"][words.pop(0)]
    if hasattr(command, "commands"):
        raise LookupError(f"no such command: {line}")
    # A command that is only named between backticks has no words to parse.
    return command.make_context(line, words) if words else command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_line_of_a_document_is_one_that_the_program_takes(document: Path) -> None:
    for line in lines(document.read_text("utf-8")):
        taken(line)


def test_the_documents_have_command_lines_and_a_wrong_one_is_reported() -> None:
    assert len([line for path in DOCUMENTS for line in lines(path.read_text("utf-8"))]) > 20
    for wrong in (
        "shadowstream --gate",
        "shadowstream gat trial.yaml",
        "shadowstream gate trial.yaml --max 3",
        "shadowstream topics --json",
    ):
        with pytest.raises(Exception, match=r"(?i)no such"):
            taken(wrong)
