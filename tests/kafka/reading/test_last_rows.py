"""The last row of each pair: by pair id, ordered by event time, in a bounded memory."""

from contextlib import closing

from shadowstream.kafka.reading.last_rows import LastRows
from tests import forked

FILLED = """
from pathlib import Path
from shadowstream.kafka.reading.last_rows import LastRows
rows = LastRows()
rows.put("first", 0, b"")
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4
before = resident()
for number in range(30_000):
    rows.put(f"scores/0/{number}", number, bytes(2_000))
assert sum(map(len, rows.newest(0))) == 60_000_000
print(resident() - before)
"""
KB_MAX = 20_000


def test_the_last_row_of_a_pair_stays_and_the_newest_come_last() -> None:
    with closing(LastRows()) as rows:
        for pair, time_ms, raw in (
            ("b", 2, b"b"),
            ("a", 9, b"old"),
            ("c", 2**62, b"c"),
            ("a", 1, b"a"),
            ("d", 2, b"d"),
        ):
            rows.put(pair, time_ms, raw)
        rows.put("x\udc80", 3, b"x")
        rows.drop("x\udc80")
        rows.drop("never there")
        assert len(rows) == 4
        assert list(rows.newest(0)) == [b"a", b"b", b"d", b"c"]
        assert list(rows.newest(2)) == [b"d", b"c"]


def test_rows_of_sixty_megabytes_take_less_than_a_third_in_memory() -> None:
    done = forked.python("-c", FILLED)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < KB_MAX
    print(f"{int(done.stdout):,} KB")
