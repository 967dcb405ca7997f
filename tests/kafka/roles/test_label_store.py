"""The disk store holds what was committed, under the number of that commit; what else there is is begun anew."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from shadowstream.errors import ConfigError
from shadowstream.kafka.roles.label_store import LabelStore, path_of
from shadowstream.labels.store import MemoryStore, Store, WaitingEntry
from tests.chaos.full_disk import MOUNT, Refused, tight_disk
from tests.labels.test_step import config

ENTRY = WaitingEntry(b"a", 5, "scores/0", "ab", "true", "false")


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LabelStore(tmp_path / "labels.sqlite")


def test_one_entry_a_kind_and_id(store: Store) -> None:
    store.put("scored", ENTRY)
    store.put("label", WaitingEntry(b"a", 7, shadow="true"))
    store.put("scored", ENTRY._replace(time_ms=6))
    assert store.waiting() == {"scores/0": 1}
    assert store.take("scored", b"a") == ENTRY._replace(time_ms=6)
    assert store.take("scored", b"a") is None
    assert store.take("label", b"a") == WaitingEntry(b"a", 7, shadow="true")
    labelled = ENTRY._replace(truth="true", parts=("eu",), bucket=7)
    store.put("labelled", labelled)
    assert store.waiting() == {}, "a labelled pair waits for no label"
    assert next(store.before("labelled", 6)) == labelled
    assert store.take("labelled", b"a") == labelled


def test_what_is_older_comes_in_order_of_time(store: Store) -> None:
    for number, id_ in ((3, b"c"), (1, b"b"), (1, b"a"), (4, b"d")):
        store.put("scored", WaitingEntry(id_, number, "scores/0"))
    assert [entry.id for entry in store.before("scored", 4)] == [b"a", b"b", b"c"]
    assert list(store.before("label", 4)) == []


def test_only_what_was_committed_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "labels.sqlite"
    store = LabelStore(path)
    store.put("scored", ENTRY)
    store.commit(3)
    store.put("scored", ENTRY._replace(id=b"b"))
    store.take("scored", b"a")
    store.forget()
    assert (store.sequence, store.waiting()) == (3, {"scores/0": 1})
    store.put("scored", ENTRY._replace(id=b"b"))
    store.close()
    again = LabelStore(path)
    assert (again.sequence, again.waiting()) == (3, {"scores/0": 1})
    assert oct(path.stat().st_mode)[-3:] == "600"


def test_a_file_that_is_no_store_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "labels.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    store = LabelStore(path)
    assert store.sequence == 0
    store.rebuild([("scored", ENTRY)], 7)
    assert (store.sequence, store.waiting()) == (7, {"scores/0": 1})


def test_a_folder_that_cannot_be_used_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"labels\.store_dir: cannot use"):
        LabelStore(tmp_path / "file" / "labels.sqlite")


FULL = """
import pathlib, sys
import pytest
from shadowstream.errors import StoreError
from shadowstream.kafka.roles.label_store import LabelStore
from tests.chaos.full_disk import Disk
from tests.kafka.roles.test_label_store import ENTRY

disk = Disk(pathlib.Path(sys.argv[1]), 0)
path = disk.path / "s" / "labels.sqlite"
store = LabelStore(path)
store.rebuild([("scored", ENTRY)], 3)
disk.fill()
with pytest.raises(StoreError, match="disk is full; make room"):
    store.rebuild((("scored", ENTRY._replace(id=b"%d" % n)) for n in range(100_000)), 4)
store.close()
for place in (path, disk.path / "another" / "labels.sqlite"):
    with pytest.raises(StoreError, match="make room"):
        LabelStore(place).commit(4)
disk.free()
again = LabelStore(path)
assert (again.sequence, again.waiting()) == (3, {"scores/0": 1})
"""


def test_a_full_disk_is_reported_until_space_returns_without_losing_commits() -> None:
    """It must not end the other roles, as the operator's mistakes do, nor be taken for a bug or a broken store."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(tight_disk(4))
        except Refused as refused:
            pytest.skip(f"no disk that can be full: {refused}")
        done = disk.within(sys.executable, "-c", FULL, MOUNT)
    assert done.returncode == 0, done.stderr


def test_two_clusters_trials_of_one_name_have_stores_of_their_own(tmp_path: Path) -> None:
    one = config(store_dir=str(tmp_path))
    other = one.model_copy(update={"kafka": one.kafka.model_copy(update={"bootstrap": "elsewhere:9092"})})
    assert path_of(one, "0") != path_of(other, "0")
    assert path_of(one, "0").parent == tmp_path
