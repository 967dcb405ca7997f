"""`--version`, and the completion that bash asks for."""

import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import confluent_kafka
import pytest

import shadowstream
from tests import forked
from tests.cli.conftest import Cli
from tests.cli.test_main import HEAVY, loaded

COMPLETE = """
eval "$(shadowstream --show-completion)"
complete -p shadowstream
ask() {
    COMP_WORDS=(shadowstream "$@"); COMP_CWORD=$#; COMPREPLY=()
    _shadowstream_completion shadowstream
    echo "${COMPREPLY[*]}"
}
ask re
ask --log-level warning report trial.yaml --format ""
ask alerts a
ask report trial
"""


def test_the_version_names_program_python_and_client(cli: Cli) -> None:
    program, python, client = cli("--version").out.splitlines()
    assert program.split(" (commit ")[0] == f"shadowstream {version('shadowstream')}"
    assert python == f"CPython {platform.python_version()} on {platform.system()} {platform.machine()}"
    assert client.split()[1] == confluent_kafka.libversion()[0]
    assert shadowstream.__version__ == version("shadowstream")


def test_the_version_loads_no_heavy_library() -> None:
    """The client and the metadata of packages, whose versions it names, but nothing else."""
    found = loaded("from shadowstream import cli; cli.run(['--version'])")
    assert found & {*HEAVY, "pydantic"} == {"confluent_kafka", "email"}


@pytest.mark.parametrize(
    ("record", "commit"),
    [
        ({"url": "https://example.com/a.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}, " (commit c0ffee)"),
        ({"url": "file:///a/shadowstream-9-py3-none-any.whl", "archive_info": {}}, ""),
        ({"url": "file://{clone}", "dir_info": {"editable": True}}, " (commit {head})"),
        ({"url": "file://{clone}/.git", "dir_info": {"editable": True}}, ""),
        ({"url": "file://{clone}", "dir_info": {}}, ""),
    ],
)
def test_the_commit_is_that_of_the_record_of_the_installation(
    record: dict[str, object], commit: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "a clone"
    clone.mkdir()
    git = ["git", "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "First"], check=True)
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True).stdout
    info = tmp_path / "site" / "shadowstream-9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shadowstream\nVersion: 9\n")
    text = json.dumps(record).replace("{clone}", clone.as_uri().removeprefix("file://"))
    (info / "direct_url.json").write_text(text)
    monkeypatch.syspath_prepend(str(info.parent))
    assert cli("--version").out.splitlines()[0] == "shadowstream 9" + commit.format(head=head.strip())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_values_and_files(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(forked.ROOT), "PATH": path}
    done = subprocess.run(["bash", "-c", COMPLETE], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    program, *answers = done.stdout.splitlines()
    # `-o default`: where nothing is found, as for a config, bash completes names of files.
    assert program == "complete -o default -F _shadowstream_completion shadowstream"
    assert answers == ["report replay resume", "html markdown junit", "ack", ""]
