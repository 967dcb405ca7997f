"""The store holds keys and answers: what another user made, may write to or linked is refused."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from shadowstream.errors import ConfigError
from shadowstream.kafka.roles.label_store import LabelStore, path_of
from tests.kafka.roles.test_label_store import ENTRY
from tests.labels.test_step import config

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of another user")
OTHER = 12_345


def linked(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def linked_to_a_file(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"")
    path.symlink_to(path.with_name("elsewhere"))


def second_name(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"")
    os.link(path.with_name("elsewhere"), path)


def writable(path: Path) -> None:
    path.touch()
    path.chmod(0o666)


def group_writable(path: Path) -> None:
    path.touch()
    path.chmod(0o620)


def no_file(path: Path) -> None:
    os.mkfifo(path, 0o600)


def owned(path: Path) -> None:
    path.touch(mode=0o600)
    os.chown(path, OTHER, OTHER)


FILES = [linked, linked_to_a_file, second_name, writable, group_writable, no_file, pytest.param(owned, marks=AS_ROOT)]
WHY = {
    "linked": "is a link or no plain file",
    "linked_to_a_file": "is a link or no plain file",
    "no_file": "is a link or no plain file",
    "second_name": "is a second name of another file",
    "writable": "other users can write to",
    "group_writable": "other users can write to",
    "owned": f"belongs to another user \\({OTHER}",
}


@pytest.mark.parametrize("beside", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("made", FILES)
@pytest.mark.parametrize("given", [True, False])
def test_a_file_of_another_owner_is_refused_and_left_unchanged(
    made: Callable[[Path], None], beside: str, given: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    path = folder / "labels.sqlite"
    made(path.with_name(path.name + beside))
    before = {one: one.lstat() for one in folder.iterdir()}
    with pytest.raises(ConfigError, match=rf"labels\.store_dir: cannot use .*{WHY[made.__name__]}") as caught:
        LabelStore(path, given=given)
    assert "set labels.store_dir to a folder that only this user can write to" in str(caught.value)
    after = {one: one.lstat() for one in folder.iterdir()}
    assert after.keys() == before.keys(), "nothing was made at the other end of a link"
    assert [(one.st_size, one.st_mode) for one in after.values()] == [
        (one.st_size, one.st_mode) for one in before.values()
    ]


def folder_writable(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def folder_sticky(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o1777)


def folder_linked(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.with_name("elsewhere"))


def folder_owned(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, OTHER, OTHER)


FOLDERS = [folder_writable, folder_sticky, folder_linked, pytest.param(folder_owned, marks=AS_ROOT)]


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
