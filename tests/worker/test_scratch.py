"""Scratch folders: measured as a whole, and removed also after their role was killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from shadowstream.worker import scratch
from shadowstream.worker.scratch import Overfull, Scratch, remove_stale

HOLDER = """
import time
from shadowstream.worker.scratch import Scratch
print(Scratch(9).path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(path: Path) -> Path:
    """The same folder, as old as a folder whose role has begun long ago."""
    then = time.time() - 2 * scratch.YOUNG_S
    os.utime(path, (then, then))
    return path


def test_only_the_folders_of_roles_that_are_gone_are_removed(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env=environ) as holder:
        assert holder.stdout is not None
        held = aged(Path(holder.stdout.readline().strip()))
        (held / "inner").mkdir()
        aged(held)
        young, other = tmp_path / f"{scratch.PREFIX}young", aged_folder(tmp_path / "other")
        young.mkdir()
        linked = tmp_path / f"{scratch.PREFIX}link"
        linked.symlink_to(other)
        remove_stale()
        assert held.is_dir(), "its role lives"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        Scratch(9).remove()  # the start of the next role
    assert not held.exists()
    assert young.is_dir(), "its role may be about to lock it"
    assert other.is_dir(), "a link is not followed"


def aged_folder(path: Path) -> Path:
    path.mkdir()
    return aged(path)


def test_all_files_of_a_folder_count_at_any_depth() -> None:
    folder = Scratch(100_000)
    folder.check()
    deep = Path(folder.path, "a", "b")
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x" * 60_000)
    folder.check()
    (deep / "more").write_bytes(b"x" * 60_000)
    with pytest.raises(Overfull, match="more than 100000 bytes in its scratch folder"):
        folder.check()
    folder.remove()
    assert not deep.exists()


def test_files_that_hold_nothing_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "FILES_MAX", 3)
    folder = Scratch(10**9)
    for n in range(4):
        Path(folder.path, str(n)).touch()
    with pytest.raises(Overfull, match="more than 3 files"):
        folder.check()
    folder.remove()


CLOSED = """
import os, sys
from pathlib import Path
import structlog, structlog.dev
from shadowstream.worker import scratch
if os.geteuid() == 0:  # no folder is closed to root
    os.setuid(65534)
folder = scratch.Scratch(10**9)
at = Path(folder.path)
if sys.argv[1] == "closed":
    (at / "inner" / "deep").mkdir(parents=True)
    (at / "inner" / "deep" / "file").touch()
    (at / "inner").chmod(0o300)
else:
    os.chdir(at)
    for _ in range(20):
        os.mkdir("n" * 250)
        os.chdir("n" * 250)
    os.chdir("/")
try:
    folder.check()
except scratch.Overfull as error:
    print(error)
folder.remove()
print("left" if at.exists() else "removed")
"""


@pytest.mark.parametrize("how", ["closed", "too deep"])
def test_a_folder_that_cannot_be_measured_counts_as_overfull(how: str) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED, how], capture_output=True, text=True, check=True)
    assert "cannot be measured" in done.stdout
    assert done.stdout.endswith("removed\n")
