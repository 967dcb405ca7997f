"""The store holds keys and answers: what another user made, may write to or linked is refused."""

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shadowstream.errors import ConfigError
from shadowstream.kafka.roles.label_store import LabelStore, path_of
from tests.kafka.roles.test_label_store import ENTRY
from tests.labels.test_step import config

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of another user")
OTHER = 12_345


def states(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (one.st_size, one.st_mode) for path in folder.iterdir() for one in [path.lstat()]}


def linked(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def linked_to_a_file(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"")
    linked(path)


def second_name(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"")
    os.link(path.with_name("elsewhere"), path)


def with_mode(path: Path, mode: int) -> None:
    path.touch()
    path.chmod(mode)


def owned(path: Path) -> None:
    path.touch(mode=0o600)
    os.chown(path, OTHER, OTHER)


FILES = [
    pytest.param(linked, "is a link or no plain file", id="linked"),
    pytest.param(linked_to_a_file, "is a link or no plain file", id="linked_to_a_file"),
    pytest.param(second_name, "is a second name of another file", id="second_name"),
    pytest.param(partial(with_mode, mode=0o666), "other users can write to", id="writable"),
    pytest.param(partial(with_mode, mode=0o620), "other users can write to", id="group_writable"),
    pytest.param(lambda path: os.mkfifo(path, 0o600), "is a link or no plain file", id="no_file"),
    pytest.param(owned, f"belongs to another user \\({OTHER}", marks=AS_ROOT, id="owned"),
]


@pytest.mark.parametrize("beside", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize(("made", "why"), FILES)
@pytest.mark.parametrize("given", [True, False])
def test_a_file_of_another_owner_is_refused_and_left_unchanged(
    made: Callable[[Path], None], why: str, beside: str, given: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    path = folder / "labels.sqlite"
    made(path.with_name(path.name + beside))
    before = states(folder)
    with pytest.raises(ConfigError, match=rf"labels\.store_dir: cannot use .*{why}") as caught:
        LabelStore(path, given=given)
    assert "set labels.store_dir to a folder that only this user can write to" in str(caught.value)
    assert states(folder) == before, "nothing was changed, nor made at the other end of a link"


def folder_with_mode(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)


def folder_linked(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir(mode=0o700)
    linked(folder)


def folder_owned(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, OTHER, OTHER)


FOLDERS = [
    pytest.param(partial(folder_with_mode, mode=0o777), id="writable"),
    pytest.param(partial(folder_with_mode, mode=0o1777), id="sticky"),
    pytest.param(folder_linked, id="linked"),
    pytest.param(folder_owned, marks=AS_ROOT, id="owned"),
]


@pytest.mark.parametrize("made", FOLDERS)
def test_the_folder_in_the_temporary_one_must_be_private(
    made: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    path = path_of(config(), "0")
    assert path.parent.parent == tmp_path
    made(path.parent)
    with pytest.raises(ConfigError, match=r"labels\.store_dir: cannot use"):
        LabelStore(path)
    assert list(path.parent.iterdir()) == []


def test_a_named_folder_keeps_its_mode_and_the_files_are_private(tmp_path: Path) -> None:
    """A volume in a pod is for all to write."""
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    store = LabelStore(volume / "labels.sqlite", given=True)
    store.put("scored", ENTRY)
    store.commit(1)
    assert {stat.S_IMODE(one.stat().st_mode) for one in volume.iterdir()} == {0o600}
    store.close()
    assert LabelStore(volume / "labels.sqlite", given=True).sequence == 1


def test_made_folders_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = LabelStore(tmp_path / "new" / "labels.sqlite")
        store.put("scored", ENTRY)
        store.commit(1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "new").iterdir()} == {0o600}


def test_no_store_is_made_through_a_link_even_placed_between_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before and the call itself both refuse."""
    path = tmp_path / "labels.sqlite"
    monkeypatch.setattr("shadowstream.kafka.private_files.check_file", lambda _: linked(path))
    with pytest.raises(ConfigError, match="cannot use"):
        LabelStore(path)
    assert not path.with_name("elsewhere").exists()
