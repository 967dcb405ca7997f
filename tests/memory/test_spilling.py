"""Both sides lead by turns, and the values of what waits go to a file: the real roles on the broker in memory."""

from __future__ import annotations

import logging
import time
from collections import Counter

import pytest

from shadowstream.kafka import holding, spill_file
from tests.memory.test_shedding import BATCH, BOUND, ORDERS, World, played, watched

SIZE = 4_000


def large(n: int) -> bytes:
    """JSON that no other record has."""
    return b'"%0*d"' % (SIZE - 2, n)


def test_spill_keeps_to_the_bound_says_so_and_pairs_every_record(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    peaks: dict[str, int] = {}
    ended: dict[str, Counter[str]] = {}
    for overflow in ("hold", "spill"):
        world = World(overflow, value=large, pending_bytes_max=4 * BOUND)
        with watched(monkeypatch) as seen, caplog.at_level(logging.INFO):
            cpu = time.process_time()
            played(world, 0)
            cpu = time.process_time() - cpu
        peaks[overflow], ended[overflow] = max(seen.pending), world.ended()
        print(f"{overflow}: {peaks[overflow]:,} bytes at most, {cpu:.2f} s CPU")
    assert ended["spill"] == ended["hold"] == {"match": ORDERS}
    assert peaks["spill"] <= 4 * BOUND * (1 + 1 / holding.OVER) + 2 * BATCH * (SIZE + 500)
    assert peaks["hold"] > 2 * peaks["spill"]
    assert "values_spilled" in caplog.text
    assert "spilled_values_back" in caplog.text
