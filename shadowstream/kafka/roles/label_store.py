"""The disk store of the labels role: SQLite, private, and worth nothing by itself.

It holds what the last commit of the role left waiting, under the number of that commit. Whatever was lost, or is of
another commit (a crash between the broker's commit and ours), is rebuilt from labels-state: a store is never mended.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from shadowstream.config import Config
from shadowstream.errors import ConfigError, StoreError
from shadowstream.kafka.private_files import NotPrivate, check_file, private_file, private_folder
from shadowstream.labels.store import Kind, WaitingEntry

Taken = ParamSpec("Taken")
Given = TypeVar("Given")
_FORM = 2
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_TABLES = """
CREATE TABLE IF NOT EXISTS waiting (
  kind TEXT, id BLOB, time_ms INTEGER, task TEXT, revision TEXT, production TEXT, shadow TEXT, parts TEXT,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON waiting (kind, time_ms, id);
CREATE TABLE IF NOT EXISTS commits (sequence INTEGER);
"""
_BESIDE = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps beside the store and trusts as much."""
_COLUMNS = "id, time_ms, task, revision, production, shadow, parts"


def path_of(config: Config, instance: str) -> Path:
    """Where the store of an instance lies: in `labels.store_dir`, else in a private folder of the temporary one."""
    given = config.labels.store_dir if config.labels else None
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"shadowstream-labels-{os.getuid()}"
    # Two clusters may each have a trial of this name.
    cluster = hashlib.sha256(config.kafka.bootstrap.encode()).hexdigest()[:8]
    return folder / f"{config.name}.{cluster}.{instance}.{_FORM}.sqlite"


def _waiting(row: tuple[Any, ...]) -> WaitingEntry:
    return WaitingEntry(*row)._replace(parts=tuple(json.loads(row[-1])))


def _is_disk(error: OSError | sqlite3.DatabaseError) -> bool:
    """Whether the disk is full or fails: nobody need change the config."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK  # the low byte; those above say where


def _disk_errors_named(
    method: Callable[Concatenate[LabelStore, Taken], Given],
) -> Callable[Concatenate[LabelStore, Taken], Given]:
    def call(store: LabelStore, /, *args: Taken.args, **more: Taken.kwargs) -> Given:
        try:
            return method(store, *args, **more)
        except sqlite3.OperationalError as error:
            if _is_disk(error):
                raise store.failed(error) from error
            raise

    return call


class LabelStore:
    """See `shadowstream.labels.store.Store`. Changes hold from `commit` on; without it `forget` takes them back.

    `given`: the folder was named by whoever runs it, and who else may write there is their choice; the files are to be
    ours alone all the same. Raises `ConfigError` where folder or files are not, or cannot be used, and `StoreError` at
    any time where its disk is full or fails.
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
                "user can write to. Keys and answers would be read, or changed, by others; what it held is rebuilt"
            ) from error
        except (OSError, sqlite3.DatabaseError) as error:
            if _is_disk(error):
                raise self.failed(error) from error
            raise ConfigError(f"labels.store_dir: cannot use {path}: {error}") from error

    def failed(self, error: Exception) -> StoreError:
        """What to say of an error of the disk."""
        return StoreError(f"labels.store_dir: {self._path}: {error}; make room, nothing is lost: it is rebuilt")

    def _open(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.DatabaseError as error:  # whatever stood there is no store of ours: it is rebuilt
            if _is_disk(error):
                raise
            self._path.unlink()
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None)
        # The broker's commit is what counts; a store that a power cut has torn is rebuilt.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        db.executescript(_TABLES)
        return db

    @property
    def sequence(self) -> int:
        """Number of the commit that it holds; 0 for none, which an empty one is too."""
        row = self._db.execute("SELECT max(sequence) FROM commits").fetchone()
        return int(row[0] or 0)

    @_disk_errors_named
    def take(self, kind: Kind, id_: bytes) -> WaitingEntry | None:
        """See `Store`."""
        self._begin()
        row = self._db.execute(
            f"DELETE FROM waiting WHERE kind = ? AND id = ? RETURNING {_COLUMNS}", (kind, id_)
        ).fetchone()
        return None if row is None else _waiting(row)

    @_disk_errors_named
    def put(self, kind: Kind, entry: WaitingEntry) -> None:
        """See `Store`."""
        self._begin()
        self._db.execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (kind, *entry[:-1], json.dumps(entry.parts)),
        )

    def waiting(self) -> dict[str, int]:
        """See `Store`."""
        rows = self._db.execute("SELECT task, count(*) FROM waiting WHERE kind = 'scored' GROUP BY task")
        return dict(rows.fetchall())

    def before(self, kind: Kind, time_ms: int) -> Iterator[WaitingEntry]:
        """See `Store`."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM waiting WHERE kind = ? AND time_ms < ? ORDER BY time_ms, id", (kind, time_ms)
        )
        return map(_waiting, rows)

    @_disk_errors_named
    def commit(self, sequence: int) -> None:
        """What has changed since the last commit holds, as that of this number."""
        self._begin()
        self._db.execute("DELETE FROM commits")
        self._db.execute("INSERT INTO commits VALUES (?)", (sequence,))
        self._db.execute("COMMIT")

    def forget(self) -> None:
        """What has changed since the last commit never was."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @_disk_errors_named
    def rebuild(self, entries: Iterable[tuple[Kind, WaitingEntry]], sequence: int) -> None:
        """Begin anew with these entries, as the commit of this number left them."""
        self.forget()
        self._begin()
        self._db.execute("DELETE FROM waiting")
        for kind, entry in entries:
            self.put(kind, entry)
        self.commit(sequence)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
