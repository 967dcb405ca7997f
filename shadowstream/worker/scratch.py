"""Scratch folder of a process: bounded in all its files together, and removed in the end, also after a kill.

The kernel bounds each file, and no folder. So the role measures the folder while it waits, and ends the process that
has filled it. A role that is killed leaves its folders behind; the next role of this user on the machine removes them.
A lock, which the kernel releases with its holder, shows which folders are in use.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from shadowstream.logs import get_logger

log = get_logger("worker")
PREFIX = "shadowstream-scratch-"
"""Older releases, which hold no lock, named their folders otherwise: those are left."""
FILES_MAX = 10_000
YOUNG_S = 60.0
"""Age below which a folder without a lock is left: its role may be about to lock it."""


class Overfull(Exception):
    """The folder holds more than it may."""


class Scratch:
    """One folder, locked by this process until `remove`."""

    def __init__(self, bytes_max: int) -> None:
        remove_stale()
        self.path = tempfile.mkdtemp(prefix=PREFIX)
        self._bytes_max = bytes_max
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def check(self) -> None:
        """Raise `Overfull` if the files take too many bytes, or are too many to be measured."""
        total = 0
        for n, size in enumerate(_sizes(self.path)):
            total += size
            if n >= FILES_MAX:
                raise Overfull(f"more than {FILES_MAX} files in its scratch folder")
            if total > self._bytes_max:
                raise Overfull(f"more than {self._bytes_max} bytes in its scratch folder (limits.scratch_bytes)")

    def remove(self) -> None:
        _remove(self.path)
        with contextlib.suppress(OSError):
            os.close(self._lock)
        self._lock = -1


def remove_stale() -> None:
    """Remove the folders of this user's roles that were killed."""
    folder = Path(tempfile.gettempdir())
    for path in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if found.st_uid != os.geteuid() or time.time() - found.st_mtime < YOUNG_S or not _is_free(path):
                continue
            _remove(str(path))
            log.info("scratch_removed", folder=str(path))


def _remove(folder: str) -> None:
    """Remove a folder whose process has ended, also the parts that it closed to its own user."""
    left = [folder]
    while left:
        with contextlib.suppress(OSError):
            path = left.pop()
            os.chmod(path, 0o700)
            with os.scandir(path) as entries:
                left += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    shutil.rmtree(folder, ignore_errors=True)


def _is_free(path: Path) -> bool:
    """Return whether no process holds the folder's lock."""
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _sizes(folder: str) -> Iterator[int]:
    """Yield the bytes of each entry below a folder, as far as the disk holds them; links are not followed.

    Raises `Overfull` for a folder that cannot be looked into: it could hold any number of bytes.
    """
    left = [folder]
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    yield found.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):  # it is removed in this moment
            continue
        except OSError as error:
            raise Overfull(f"a folder in its scratch folder that cannot be measured ({error.strerror})") from error
