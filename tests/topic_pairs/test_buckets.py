"""Buckets on disk: what goes in comes out once, all records of an id together, and bounds are errors."""

import resource
import tracemalloc
import zlib
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from shadowstream.errors import ConfigError, StoreError
from shadowstream.kafka.topic_pairs import buckets
from shadowstream.kafka.topic_pairs.buckets import Buckets
from shadowstream.topic_pairs.stored_record import StoredRecord, unpack


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "MEMORY_BYTES", 20_000)
    monkeypatch.setattr(buckets, "BUCKET_BYTES", 4_000)


def record(n: int, id_: bytes) -> StoredRecord:
    return StoredRecord(n % 2, 0, n, 0, id_, id_, b"v" * (n % 200))


def fill(kept: Buckets) -> None:
    for n in range(5_000):
        kept.add(record(n, b"id-%d" % n))


def test_all_records_of_an_id_come_out_once_and_together(tmp_path: Path) -> None:
    added = [record(n, b"id-%d" % (n % 700)) for n in range(5_000)]
    kept = Buckets(str(tmp_path), 10_000_000, unpack)
    for one in added:
        kept.add(one)
    assert kept.on_disk > 0
    found: Counter[StoredRecord] = Counter()
    seen: set[bytes] = set()
    for bucket in kept.take():
        ids = {one.id for one in bucket}
        assert not ids & seen
        seen |= ids
        found.update(bucket)
    assert found == Counter(added)
    assert list(tmp_path.iterdir()) == []


def test_a_large_bucket_is_never_in_memory_as_a_whole() -> None:
    with closing(Buckets(None, 10**9, unpack)) as kept:
        for n in range(128_000):
            id_ = b"id-%d" % n
            if zlib.crc32(id_) % buckets.BUCKETS == 0:  # all in one bucket
                kept.add(StoredRecord(n % 2, 0, n, 0, id_, None, b"v" * 1_000))
        assert kept.on_disk > 1_800_000
        tracemalloc.start()
        count = sum(map(len, kept.take()))
        peak, _ = tracemalloc.get_traced_memory()[1], tracemalloc.stop()
    assert count > 1_800
    assert peak < 600_000


def test_a_disk_bound_is_an_error_that_says_what_to_do() -> None:
    kept = Buckets(None, 30_000, unpack)
    with pytest.raises(StoreError, match=r"more than 30,000 bytes on disk.*--from, --to.*--disk-bytes"):
        fill(kept)
    kept.close()


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    kept = Buckets(str(tmp_path), 10_000_000, unpack)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))  # the kernel takes a part of a write, then refuses
    try:
        with pytest.raises(StoreError, match=rf"cannot be written in {tmp_path}: .*--spill-dir"):
            fill(kept)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    kept.close()


def test_one_id_with_too_many_records_is_an_error() -> None:
    kept = Buckets(None, 10_000_000, unpack)
    for n in range(500):
        kept.add(record(n, b"same"))
    with pytest.raises(StoreError, match=r"records of one id take more than .* --id"):
        list(kept.take())


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    kept = Buckets(str(tmp_path / "none"), 10_000_000, unpack)
    with pytest.raises(ConfigError, match="--spill-dir"):
        fill(kept)
