"""Every command that writes a file for its user refuses a path that cannot be written, before it asks a broker."""

import re
from pathlib import Path

import pytest

from shadowstream import cli as program
from tests.cli.conftest import Cli, MakeTrial

NO_BROKER = "127.0.0.1:1"
INIT = ("--inputs", "a", "--outputs", "b", "--candidate", "m:f", "--yes", "--bootstrap", NO_BROKER)
WRITING = {
    "init": ("--out", *INIT),
    "report": ("--out", "--format", "markdown"),
    "prove": ("--out",),
    "watch-over": ("--out", "--candidate", "topic=scores-v1,group=old,version=1"),
    "compare": ("--report", "a", "b", "--bootstrap", NO_BROKER),
}


def test_the_table_has_every_module_that_writes_a_file() -> None:
    folder = Path(program.__file__).parent
    writing = {path.stem for path in folder.glob("*.py") if re.search(r"\.write_(text|bytes)\(", path.read_text())}
    found = {"init", *writing}  # `init` writes by `open`, to replace no file
    assert {name.removesuffix("_report").replace("_", "-") for name in found} == set(WRITING)


@pytest.mark.parametrize("command", WRITING)
def test_a_path_that_cannot_be_written_is_named(command: str, make_trial: MakeTrial, cli: Cli) -> None:
    trial = make_trial(bootstrap=NO_BROKER)
    option, *words = WRITING[command]
    path = trial.parent / ("x" * 300)  # too long a name: even root cannot write it
    before = sorted(trial.parent.iterdir())
    config = [] if command in ("init", "compare") else [trial]
    result = cli(command, *config, *words, option, path)
    assert (result.code, f"{option}: cannot write {path}: File name too long" in result.err) == (2, True), result.err
    assert sorted(trial.parent.iterdir()) == before


def test_a_folder_for_waiting_records_is_tried_before_any_read(cli: Cli, tmp_path: Path) -> None:
    result = cli("compare", "a", "b", "--bootstrap", NO_BROKER, "--spill-dir", tmp_path / "none")
    assert (result.code, "--spill-dir: no file can be made in" in result.err) == (2, True), result.err
    assert list(tmp_path.iterdir()) == []
