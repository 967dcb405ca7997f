"""Both sides lead by turns, and the values of what waits go to a file: the real roles on the broker in memory."""

import json
import logging
import os
import resource
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from shadowstream.errors import ConfigError, StoreError
from shadowstream.kafka.joining import backpressure, spill_file
from shadowstream.kafka.joining.spill_file import SpillFile
from tests.memory import spilling_process
from tests.memory.test_shedding import BATCH, ORDERS, World, played, watched

SIZE = 4_000
BOUND = 2_000_000
ROOM = 4_000_000
"""Of a file that has not enough: a third of what waits."""


def large(n: int) -> bytes:
    """JSON that no other record has."""
    return b'"%0*d"' % (SIZE - 2, n)


def spilling(**limits: Any) -> World:
    return World(limits.pop("overflow", "spill"), limits.pop("delivery", "exactly_once"), large, **limits)


class SeenMetrics:
    """What the metrics have shown, at most."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.maximum: Counter[str] = Counter()
        self.last: dict[str, float] = {}
        real = world.watch.metrics.set

        def set_(name: str, value: float, **labels: str) -> None:
            self.maximum[name] = max(self.maximum[name], int(value))
            self.last[name] = value
            real(name, value, **labels)

        monkeypatch.setattr(world.watch.metrics, "set", set_)


def test_spill_keeps_to_the_bound_says_so_and_pairs_every_record(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    peaks: dict[str, int] = {}
    for overflow in ("hold", "spill"):
        world = spilling(overflow=overflow, pending_bytes_max=BOUND)
        shown = SeenMetrics(world, monkeypatch)
        with watched(monkeypatch) as seen, caplog.at_level(logging.INFO):
            cpu = time.process_time()
            played(world, 0)
            cpu = time.process_time() - cpu
        peaks[overflow] = max(seen.pending)
        print(f"{overflow}: at most {peaks[overflow]:,} bytes wait in memory, {cpu:.2f} s CPU of the whole trial")
        assert world.ended() == {"match": ORDERS}
        assert (shown.maximum["spilled_bytes"] > BOUND) == (overflow == "spill")
    assert peaks["spill"] <= BOUND * (1 + 1 / backpressure.OVER) + 2 * BATCH * (SIZE + 500)
    assert peaks["hold"] > 2 * peaks["spill"]
    assert (shown.last["spilled_bytes"], shown.maximum["spill_full"]) == (0, 0)
    assert "values_spilled" in caplog.text
    assert "spilled_values_back" in caplog.text


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_joiners_that_die_with_their_files_lose_nothing(delivery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = spilling(delivery=delivery, pending_bytes_max=BOUND)
    shown = SeenMetrics(world, monkeypatch)
    with watched(monkeypatch):
        played(world, 3)
    assert world.ended() == {"match": ORDERS}
    assert shown.maximum["spilled_bytes"] > BOUND


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """A disk that is full for this process: writes beyond fail with EFBIG, in the midst of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("why", ["File too large", "limits.spill_bytes_max"])
def test_a_full_disk_or_file_is_reported_and_loses_no_record(
    why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bounded = why == "limits.spill_bytes_max"
    world = spilling(pending_bytes_max=BOUND, **({"spill_bytes_max": ROOM} if bounded else {}))
    shown = SeenMetrics(world, monkeypatch)
    with watched(monkeypatch) as seen, caplog.at_level(logging.INFO), files_end_at(10**9 if bounded else ROOM):
        played(world, 0)
    assert world.ended() == {"match": ORDERS}
    assert 0 < shown.maximum["spilled_bytes"] <= ROOM
    assert max(seen.pending) > 2 * BOUND
    assert "spill_refused" in caplog.text
    assert why in caplog.text
    assert "pending_over_bound" in caplog.text
    assert (shown.maximum["spill_full"], shown.last["spill_full"]) == (1, 0)


def test_what_is_spilled_leaves_the_memory_of_the_process() -> None:
    took, records = {}, spilling_process.RECORDS
    for overflow in ("hold", "spill"):
        command = [sys.executable, "-m", "tests.memory.spilling_process", overflow]
        took[overflow] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert took[overflow]["pairs"] == records
        print(f"{overflow}: {records} records a side of {spilling_process.SIZE} bytes: {took[overflow]}")
    assert took["spill"]["spilled"] > spilling_process.BOUND
    assert took["spill"]["resident"] < 1.5 * spilling_process.BOUND
    assert took["hold"]["resident"] > 3 * spilling_process.BOUND


# -------------------------------------------------------------------- the file


def test_nobody_else_can_find_or_read_the_file(tmp_path: Path) -> None:
    spill = SpillFile(str(tmp_path), 100)
    assert spill.put([b"ab", b"c"], 3) == 0
    done = os.fstat(spill._file.fileno())
    assert (done.st_nlink, stat.S_IMODE(done.st_mode), done.st_size) == (0, 0o600, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_an_error_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"limits\.spill_dir.*nowhere"):
        SpillFile(str(tmp_path / "nowhere"), 100)


def test_stored_values_come_back_and_freed_space_is_reused() -> None:
    draw, spill = Random(5), SpillFile(None, 40_000)
    on_disk: dict[int, bytes] = {}
    refused = 0
    for _ in range(3_000):
        if on_disk and draw.random() < 0.5:
            begin = draw.choice(list(on_disk))
            assert spill.get(begin, len(on_disk[begin])) == on_disk[begin]
            spill.free(begin, len(on_disk.pop(begin)))
            continue
        pieces = [draw.randbytes(draw.randint(1, 30)) for _ in range(draw.randint(1, 200))]
        size = sum(map(len, pieces))
        begin_ = spill.put(pieces, size)
        if begin_ is None:
            refused += 1
            assert spill.refused == "limits.spill_bytes_max"
        else:
            on_disk[begin_] = b"".join(pieces)
        assert spill.size == os.fstat(spill._file.fileno()).st_size <= 40_000
    assert refused > 10
    for begin, value in on_disk.items():
        assert spill.get(begin, len(value)) == value
        spill.free(begin, len(value))
    assert (spill.size, spill._gaps) == (0, [])


def test_a_write_that_fails_midway_leaves_what_lies_there_as_it_was() -> None:
    spill = SpillFile(None, 10**9)
    first, second = [b"a" * 5_000] * 100, [b"b" * 5_000] * 100
    assert spill.put(first, 500_000) == 0
    with files_end_at(700_000):
        assert spill.put(second, 500_000) is None
    assert spill.refused == "File too large"
    assert os.fstat(spill._file.fileno()).st_size == spill.size == 500_000
    assert spill.put(second, 500_000) == 500_000
    assert spill.refused == ""
    assert spill.get(0, 500_000) == b"".join(first)


def test_lost_spilled_values_end_the_process_which_rereads_their_topic() -> None:
    spill = SpillFile(None, 100)
    spill.put([b"abc"], 3)
    os.ftruncate(spill._file.fileno(), 1)
    with pytest.raises(StoreError, match="gone"):
        spill.get(0, 3)


def test_the_default_folder_is_that_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere"):
        spill_file.SpillFile(None, 100)
