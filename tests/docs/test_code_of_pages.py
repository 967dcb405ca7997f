"""Commands and snippets of the pages: what is not run elsewhere is checked here against what it names.

`tests/cli/test_readme.py` parses the program's own lines and loads each config; `tests/docs/test_examples.py` runs
those of the examples.
"""

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shadowstream import errors
from shadowstream.cli import run
from shadowstream.cli.web import GATE_TOKEN, TOKEN
from shadowstream.topics import TopicPlan
from tests.docs.markdown import PAGES, ROOT, blocks

TARGETS = re.findall(r"^([a-z][\w-]*):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
VARIABLES = re.findall(r"^([A-Z_]+)\s*\?=", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def make(words: list[str], _: Path) -> bool:
    """Whether the Makefile has the targets and variables of a line."""
    return all(word.partition("=")[0] in (VARIABLES if "=" in word else TARGETS) for word in words)


def pip(words: list[str], _: Path) -> bool:
    """Whether the package has the extras that a line installs from a clone or a file: no index carries it."""
    extras = re.search(r"/shadowstream(?:-[\w.*-]+\.whl)?\[([\w,]+)\]", " ".join(words))
    return extras is not None and set(extras[1].split(",")) <= set(EXTRAS)


def python(words: list[str], folder: Path) -> bool:
    """Whether a script, or a module and the files that it gets, exist."""
    module = words[words.index("-m") + 1] if "-m" in words else None
    files = [word for word in words if word.endswith(".py")]
    return all((folder / file).exists() for file in files) and (
        module is None or importlib.util.find_spec(module) is not None
    )


def files(words: list[str], _: Path) -> bool:
    """Whether the paths of a line exist, or are made by `make setup`."""
    paths = [word for word in words if word.startswith(("helm/", "examples/", ".venv/"))]
    return bool(paths) and all((ROOT / path).exists() or path.startswith(".venv/bin/") for path in paths)


def kubectl(words: list[str], _: Path) -> bool:
    """Whether the keys of a Secret that a line makes are variables of `web`."""
    keys = re.findall(r"--from-literal=(\w+)=", " ".join(words))
    return bool(keys) and set(keys) <= {TOKEN, GATE_TOKEN}


def run_elsewhere(words: list[str], _: Path) -> bool:
    """Whether a test takes the line from its page: true of `kcat` (`test_diff_json.py`), `curl` (`test_verdict_api.py`)
    and the program's own."""
    return True


CHECKS: dict[str, Callable[[list[str], Path], bool]] = {
    "make": make,
    "pip": pip,
    "python": python,
    ".venv/bin/python": python,
    **dict.fromkeys(("docker", "helm", "cd", "."), files),
    **dict.fromkeys(("kcat", "curl", "shadowstream"), run_elsewhere),
    "kubectl": kubectl,
}


def lines(page: Path) -> Iterator[str]:
    """The lines of a page for a shell, continued ones as one."""
    for block in blocks(page, "sh"):
        yield from filter(None, map(str.strip, block.replace("\\\n", " ").splitlines()))


def folder_of(page: Path) -> Path:
    """The folder in which the lines of a page are run."""
    inside = [line.split()[1] for line in lines(page) if line.startswith("cd ")]
    return ROOT / inside[0] if inside else page.parent if "examples" in page.parts else ROOT


def wrong(line: str, folder: Path) -> bool:
    """Whether a line names something that does not exist, or a program that no check knows."""
    words = shlex.split(line, comments=True)
    return bool(words) and not CHECKS.get(words[0], lambda *_: False)(words[1:], folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_line_for_a_shell_names_things_that_exist(page: Path) -> None:
    assert [line for line in lines(page) if wrong(line, folder_of(page))] == []


@pytest.mark.parametrize(
    "line",
    [
        "make dem",
        "make demo COLOUR=red",
        "pip install 'path/to/shadowstream[reports]'",
        "pip install 'shadowstream[report]'",
        "python feeds.py",
        "helm lint helm/shadow",
        "rm x",
    ],
)
def test_a_line_that_names_nothing_is_seen(line: str) -> None:
    assert wrong(line, ROOT / "examples")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_each_snippet_of_python_is_python_and_runs_without_a_cluster(page: Path) -> None:
    for text in blocks(page, "python"):
        code = compile(text, str(page), "exec")
        if "subscribe(" not in text:  # tests/kafka/subscription/test_readme.py runs those that read a cluster
            exec(code, {})


def test_the_readme_names_the_command_that_the_pipeline_runs() -> None:
    command = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-1]
    assert command in [line.partition("#")[0].strip() for line in lines(ROOT / "README.md")]


def test_the_readme_names_every_topic_of_a_trial() -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("\n## What it writes\n")[2].partition("\n## ")[0]
    plan = TopicPlan("t")
    specs = plan.specs({"scores": 1}, diff_json=True, repartitioned=["scores"], labels=True, rechecks=True)
    kinds = {spec.name.removeprefix(plan.prefix).replace(".scores", ".<topic>") for spec in specs}
    known = {re.sub(r"^dlq\..*", "dlq.*", kind) for kind in kinds}
    assert known - set(re.findall(r"`([\w.*<>-]+)`", section)) == set()


def test_each_kind_of_error_is_documented() -> None:
    table = (ROOT / "docs" / "exit-codes.md").read_text("utf-8").partition("## Errors")[2]
    kinds = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.ShadowstreamError)
    }
    assert kinds - {"ShadowstreamError"} == set(re.findall(r"`(\w+(?:Error|Bug|Over|Down))`", table))


def test_an_error_as_json_has_the_fields_of_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gate", "no-such.yaml", "--json"]) == 2
    shown = json.loads(capsys.readouterr().out)["error"]
    assert shown.keys() >= {"kind", "message", "exit_code"}
    assert (shown["kind"], shown["exit_code"]) == ("ConfigError", 2)
