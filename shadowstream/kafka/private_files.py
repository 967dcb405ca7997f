"""Files and folders that only this user can read or change, even below a folder that others can write to.

Another user may create the name first: as a file of their own, a link, or a file with write access for all. Anything
that is not clearly private is refused, never repaired and never followed. Each check uses one system call at the time
of use; a private folder keeps a checked file from later changes.
"""

import os
import stat
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class NotPrivate(Exception):
    """A folder or file that other users can change; the message holds the path, the reason and the remedy."""


def private_folder(folder: Path) -> None:
    """Create a folder for this user only, or accept a private one. Raises `NotPrivate`, or OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotPrivate(f"{folder} is a link or no folder; remove it")
    _check_owner(folder, found)


def private_file(path: Path) -> None:
    """Create a file for this user only, or accept a private one. Raises `NotPrivate`, or OSError."""
    check_file(path)
    # O_NOFOLLOW: a link may have been created since the check.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _check(path, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def check_file(path: Path) -> None:
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
        raise NotPrivate(f"{path} belongs to another user ({found.st_uid}, not {os.getuid()}); remove it")
    if found.st_mode & OTHERS_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        raise NotPrivate(f"other users can write to {path} (mode {mode:o}); remove it, or revoke their write access")
