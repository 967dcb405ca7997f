"""The last row of each pair in a temporary file, so that memory is bounded for any number of rows of diff."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from shadowstream.errors import StoreError


class LastRows:
    """Rows of diff, as written, by pair id. The file has no name and ends with this object; a few rows need none."""

    def __init__(self) -> None:
        with _translated():
            self._rows = sqlite3.connect("")
            self._rows.execute("PRAGMA journal_mode = OFF")
            self._rows.execute("CREATE TABLE rows (pair TEXT PRIMARY KEY, time_ms INTEGER, raw BLOB)")

    def put(self, pair: str, time_ms: int, raw: bytes) -> None:
        """Keep a row in place of an earlier one of its pair."""
        with _translated():
            self._rows.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", (_text(pair), time_ms, raw))

    def drop(self, pair: str) -> None:
        """Drop the row of a pair, if there is one."""
        with _translated():
            self._rows.execute("DELETE FROM rows WHERE pair = ?", (_text(pair),))

    def row(self, pair: str) -> bytes | None:
        """Return the row of a pair, if there is one."""
        with _translated():
            found = self._rows.execute("SELECT raw FROM rows WHERE pair = ?", (_text(pair),)).fetchone()
        return None if found is None else bytes(found[0])

    def __len__(self) -> int:
        with _translated():
            (count,) = self._rows.execute("SELECT count(*) FROM rows").fetchone()
        return int(count)

    def newest(self, limit: int) -> Iterator[bytes]:
        """Yield the rows with the latest event times, the newest last; `limit` 0 for all."""
        chosen = "SELECT * FROM rows ORDER BY time_ms DESC, pair DESC LIMIT ?"
        with _translated():
            for (raw,) in self._rows.execute(f"SELECT raw FROM ({chosen}) ORDER BY time_ms, pair", (limit or -1,)):
                yield raw

    def close(self) -> None:
        """Remove the file."""
        self._rows.close()


def _text(pair: str) -> str:
    # A pair id holds a topic's name; SQLite takes no lone surrogates.
    return pair.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the rows of diff do not fit into a temporary file: {error}; free some space, or name another folder in "
            "SQLITE_TMPDIR"
        ) from error
