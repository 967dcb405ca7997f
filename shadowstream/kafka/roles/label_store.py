"""Disk store of the labels role: a private SQLite file that can always be rebuilt.

It holds the entries that waited at the last commit, under the number of that commit. A store that is
lost, or of another commit (after a crash between the broker's commit and the store's), is rebuilt from labels-state.
"""

import errno
import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shadowstream.config import Config
from shadowstream.errors import ConfigError, StoreError
from shadowstream.kafka.private_files import NotPrivate, check_file, private_file, private_folder
from shadowstream.labels.store import Kind, WaitingEntry

_FORM = 4
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_TABLES = """
CREATE TABLE IF NOT EXISTS waiting (
  kind TEXT, id BLOB, time_ms INTEGER, task TEXT, revision TEXT, production TEXT, shadow TEXT, parts TEXT,
  bucket INTEGER, truth TEXT,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON waiting (kind, time_ms, id);
CREATE TABLE IF NOT EXISTS commits (sequence INTEGER);
"""
_BESIDE = ("-wal", "-shm", "-journal")  # suffixes of files that SQLite keeps beside the store and trusts as much
_COLUMNS = "id, time_ms, task, revision, production, shadow, parts, bucket, truth"


def path_of(config: Config, instance: str) -> Path:
    """Return the path of an instance's store: in `labels.store_dir`, else in a private temporary folder."""
    given = config.labels.store_dir if config.labels else None
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"shadowstream-labels-{os.getuid()}"
    # Two clusters may each have a trial of this name.
    cluster = hashlib.sha256(config.kafka.bootstrap.encode()).hexdigest()[:8]
    return folder / f"{config.name}.{cluster}.{instance}.{_FORM}.sqlite"


def _waiting(row: tuple[Any, ...]) -> WaitingEntry:
    entry = WaitingEntry(*row)
    return entry._replace(parts=tuple(json.loads(str(entry.parts))))


def _is_disk(error: OSError | sqlite3.DatabaseError) -> bool:
    """Return whether the disk is full or fails, so that the config is not the cause."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK  # the higher bytes hold the operation


class LabelStore:
    """Implementation of `shadowstream.labels.store.Store` on SQLite. `forget` drops changes since the last `commit`.

    `given`: the operator named the folder and decides who may write there; the files are private in any case. Raises
    `ConfigError` if folder or files are not private or unusable, and `StoreError` for a disk error at any time.
    """

    def __init__(self, path: Path, *, given: bool = False) -> None:
        self._path = path
        try:
            if given:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                private_folder(path.parent)
            for beside in _BESIDE:
                check_file(path.with_name(path.name + beside))
            private_file(path)
            self._db = self._open()
        except NotPrivate as error:
            raise ConfigError(
                f"labels.store_dir: cannot use {path}: {error}, or set labels.store_dir to a folder that only this "
                "user can write to. Others could read or change keys and answers; the store is rebuilt"
            ) from error
        except (OSError, sqlite3.DatabaseError) as error:
            if _is_disk(error):
                raise self.failed(error) from error
            raise ConfigError(f"labels.store_dir: cannot use {path}: {error}") from error

    def failed(self, error: Exception) -> StoreError:
        return StoreError(f"labels.store_dir: {self._path}: {error}; make room; the store is rebuilt, nothing is lost")

    @contextmanager
    def _disk_errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if _is_disk(error):
                raise self.failed(error) from error
            raise

    def _open(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.DatabaseError as error:  # the file is no usable store: rebuild it
            if _is_disk(error):
                raise
            self._path.unlink()
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path)
        # Only the broker's commit must be durable; a store damaged by a power cut is rebuilt.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        db.executescript(_TABLES)
        return db

    @property
    def sequence(self) -> int:
        """Number of the commit in the store; 0 for an empty store."""
        row = self._db.execute("SELECT max(sequence) FROM commits").fetchone()
        return int(row[0] or 0)

    def take(self, kind: Kind, id_: bytes) -> WaitingEntry | None:
        sql = f"DELETE FROM waiting WHERE kind = ? AND id = ? RETURNING {_COLUMNS}"
        with self._disk_errors_named():
            row = self._db.execute(sql, (kind, id_)).fetchone()
        return None if row is None else _waiting(row)

    def put(self, kind: Kind, entry: WaitingEntry) -> None:
        *plain, parts, bucket, truth = entry
        values = (kind, *plain, json.dumps(parts), bucket, truth)
        with self._disk_errors_named():
            self._db.execute("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def waiting(self) -> dict[str, int]:
        rows = self._db.execute("SELECT task, count(*) FROM waiting WHERE kind = 'scored' GROUP BY task")
        return dict(rows.fetchall())

    def before(self, kind: Kind, time_ms: int) -> Iterator[WaitingEntry]:
        sql = f"SELECT {_COLUMNS} FROM waiting WHERE kind = ? AND time_ms < ? ORDER BY time_ms, id"
        return map(_waiting, self._db.execute(sql, (kind, time_ms)))

    def commit(self, sequence: int) -> None:
        with self._disk_errors_named():
            self._db.execute("DELETE FROM commits")
            self._db.execute("INSERT INTO commits VALUES (?)", (sequence,))
            self._db.commit()

    def forget(self) -> None:
        self._db.rollback()

    def rebuild(self, entries: Iterable[tuple[Kind, WaitingEntry]], sequence: int) -> None:
        with self._disk_errors_named():
            self.forget()
            self._db.execute("DELETE FROM waiting")
        for kind, entry in entries:
            self.put(kind, entry)
        self.commit(sequence)

    def close(self) -> None:
        self._db.close()
