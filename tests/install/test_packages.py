"""Wheel and sdist: all that the program reads is in them, and it runs from them outside the repository."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from shadowstream.configschema import json_schema
from shadowstream.native.build import compilers, file_name
from tests.install.packages import ROOT, unpacked_sdist, wheel_of

TRIAL = """\
name: fraud
kafka: {bootstrap: "localhost:1"}
inputs: [payments]
production: {outputs: [scores], group: fraud-model}
candidate: {call: "fraud_candidate:score"}
"""
READ_BY_THE_PROGRAM = """
from pathlib import Path
import shadowstream
from shadowstream import shipped
from shadowstream.demo import orchestrate, wire
from importlib.resources import files

assert Path(shadowstream.__file__).is_relative_to(Path.cwd().parent), shadowstream.__file__
assert shipped.schema_dir().is_relative_to(Path.cwd().parent), shipped.schema_dir()
assert shipped.text("diff.avsc") and list(wire.SCHEMAS.glob("*.avsc"))
assert files("shadowstream.report").joinpath("page.html").read_text("utf-8")
assert files("shadowstream.web").joinpath("page.css").read_text("utf-8")
assert (Path(orchestrate.__file__).parent / "flights.yaml").read_text("utf-8")
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
if "PIP_CERT" in os.environ:
    ENVIRONMENT["SSL_CERT_FILE"] = os.environ["PIP_CERT"]  # as uv names it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the tree."""
    return wheel_of(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def of_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the sdist gives."""
    folder = tmp_path_factory.mktemp("sdist")
    return wheel_of(unpacked_sdist(folder), folder)


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """A folder with a trial, which is neither in the repository nor beside the package."""
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / "trial.yaml").write_text(TRIAL)
    (folder / "fraud_candidate.py").write_text("def score(value):\n    return value\n")
    return folder


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, without the repository on its path."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def printed(*command: str | Path, folder: Path) -> str:
    """What a program that succeeds prints."""
    done = run(*command, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def committed(*folders: str) -> list[str]:
    """The files of the repository below these folders."""
    listed = printed("git", "ls-files", "--cached", "--others", "--exclude-standard", *folders, folder=ROOT)
    return [path for path in listed.splitlines() if (ROOT / path).is_file()]


def test_the_wheel_holds_each_file_of_the_package_and_each_schema(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = [name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith(".so")]
        for name in held:
            path = name.replace("shadowstream/_schemas/", "schemas/")
            assert archive.read(name) == (ROOT / path).read_bytes(), name
    named = [name.replace("shadowstream/_schemas/", "schemas/") for name in held]
    assert sorted(named) == sorted(committed("shadowstream", "schemas"))


def test_the_wheel_holds_the_kernel_where_a_compiler_is(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def libraries(path: Path) -> list[str]:
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if name.endswith(".so")]

    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if [*compilers()]:
        assert libraries(wheel) == [f"shadowstream/native/{file_name()}"]
        assert wheel.name.endswith(f"-py3-none-{platform}.whl")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    pure = wheel_of(ROOT, tmp_path)
    assert (libraries(pure), pure.name.endswith("-py3-none-any.whl")) == ([], True)


def test_the_sdist_gives_the_same_wheel(wheel: Path, of_sdist: Path) -> None:
    assert (wheel.name, wheel.read_bytes()) == (of_sdist.name, of_sdist.read_bytes())


def tries(python: Path, trial: Path) -> None:
    """Run what needs no cluster."""
    command = python, "-m", "shadowstream"
    first, interpreter, client = printed(*command, "--version", folder=trial).splitlines()
    assert first == f"shadowstream {version('shadowstream')}"
    assert interpreter.startswith("CPython 3.")
    assert client.startswith("librdkafka ")
    assert "trial.yaml: ok; trial 'fraud'" in printed(*command, "validate", "trial.yaml", folder=trial)
    assert json.loads(printed(*command, "schema", "config", folder=trial)) == json_schema()


def test_the_wheel_runs_outside_the_repository(wheel: Path, tmp_path: Path, trial: Path) -> None:
    """With the libraries of this environment, so that nothing is downloaded."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "paths.pth").write_text(f"{site}\n{sysconfig.get_path('purelib')}\n")
    tries(python, trial)
    printed(python, "-c", READ_BY_THE_PROGRAM, folder=trial)


def installer(python: Path) -> list[str | Path]:
    """The words that install into an environment: uv's, which take a tenth of pip's time, where it is."""
    uv = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if uv is None:
        return [python, "-m", "pip", "install", "--quiet"]
    return [uv, "pip", "install", "--quiet", "--python", python, *uv_settings()]


def uv_settings() -> list[str]:
    """The package index of this machine, which uv does not read from the settings of pip."""
    index = (
        os.environ.get("PIP_INDEX_URL")
        or run(sys.executable, "-m", "pip", "config", "get", "global.index-url", folder=ROOT).stdout.strip()
    )
    links = os.environ.get("PIP_FIND_LINKS", "").split()
    return [*(["--default-index", index] if index else []), *(word for one in links for word in ("--find-links", one))]


@pytest.mark.long
def test_a_fresh_environment_is_judge_and_demo_by_what_the_messages_say(
    of_sdist: Path, tmp_path: Path, trial: Path
) -> None:
    """From the wheel of the sdist. It needs a package index and takes some minutes."""
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    printed(*installer(python), of_sdist, folder=trial)
    tries(python, trial)
    program = python.with_name("shadowstream")
    assert printed(program, "--version", folder=trial).startswith("shadowstream ")
    for words in (["explain", "trial.yaml"], ["demo", "--limit", "20000", "--candidate", "worse", "--json"]):
        refused = run(program, *words, folder=trial)
        assert refused.returncode == 2, refused.stderr
        line = shlex.split(refused.stderr.splitlines()[-1].partition("not installed here: ")[2])
        assert line[:4] == [str(python), "-m", "pip", "install"]
        printed(*installer(python), *line[4:], folder=trial)
    assert "localhost:1" in run(program, "explain", "trial.yaml", folder=trial).stderr
    verdict = json.loads(printed(program, *words, folder=trial).splitlines()[-1])
    assert verdict["decision"] == "reject"
