"""Files that nobody else may read or change, also where they lie in a folder that others write into.

Whoever knows their name may have made them first: as his own, as a link to somewhere else, or for all to write. What
is not plainly ours is refused, never mended and never followed. Only the system's own checks at the call count: a
folder that is ours alone is what keeps what was checked from being changed afterwards.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class NotPrivate(Exception):
    """A folder or file that is not ours alone; the message says which, why and what to do."""


def private_folder(folder: Path) -> None:
    """Make a folder that only we may use, or take one that is; raises `NotPrivate`, and OSError where it cannot be."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotPrivate(f"{folder} is a link or no folder; remove it")
    _check_owner(folder, found)


def private_file(path: Path) -> None:
    """Make a file that only we may use, or take one that is; raises `NotPrivate`, and OSError where it cannot be."""
    check_file(path)
    # A link that was put there since then is not followed.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _check(path, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def check_file(path: Path) -> None:
    """Raise `NotPrivate` for a file that is there and not ours alone."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    _check(path, found)


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotPrivate(f"{path} is a link or no plain file; remove it")
    if found.st_nlink > 1:
        raise NotPrivate(f"{path} is a second name of another file; remove it")
    _check_owner(path, found)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.getuid():
        raise NotPrivate(f"{path} belongs to another user ({found.st_uid}, not {os.getuid()}); have it removed")
    if found.st_mode & OTHERS_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        raise NotPrivate(f"others may write to {path} (mode {mode:o}); remove it, or take their right away")
