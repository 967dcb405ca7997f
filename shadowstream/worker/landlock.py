"""Files and TCP ports that the candidate's process may use, by Landlock, which needs no right (Linux 5.13).

A confined process may also neither trace nor look into any other process, so that the runner's environment and memory
are out of its reach.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH, _PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
TRUNCATE_FROM = 3
"""The version from which on a file that may only be read cannot be emptied either."""
_FILES_BY_VERSION = {1: 13, 2: 14}  # numbers of rights; from `TRUNCATE_FROM` on also to truncate
_CONNECT, _BIND = 2, 1
_SCOPES = 3  # abstract sockets, signals
_NETWORK_FROM, _SCOPES_FROM = 4, 6
_WRITABLE_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


class Files(NamedTuple):
    """What the process may do with files: write below `scratch`, and read everything except `hidden`."""

    scratch: str
    hidden: Sequence[str]


def _call(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    done: int = libc.syscall(number, *arguments)
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return done


def version(libc: ctypes.CDLL) -> int:
    """Return the kernel's version of Landlock; 0 without Landlock."""
    try:
        return _call(libc, _CREATE, None, ctypes.c_size_t(0), _VERSION)
    except OSError:
        return 0


def around(hidden: Iterable[str]) -> Iterator[str]:
    """Return the paths that together are everything except these: the neighbours of each of them, at every level."""
    kept = {Path(os.path.realpath(path)) for path in hidden}
    open_paths = [Path("/")]
    while open_paths:
        path = open_paths.pop()
        if path in kept:
            continue
        if any(path in one.parents for one in kept):
            open_paths += path.iterdir()
        elif not path.is_symlink():
            yield str(path)


def confine(libc: ctypes.CDLL, files: Files, ports: Sequence[int] | None) -> int:
    """Confine this process for ever; return the version of Landlock that does it. `ports`: TCP ports that it may
    connect to; None for all. Raises `OSError` where Landlock is absent or switched off."""
    known = version(libc)
    if not known:
        raise OSError("the kernel has no Landlock")
    handled = (1 << _FILES_BY_VERSION.get(known, 15)) - 1
    network = _CONNECT | _BIND if known >= _NETWORK_FROM and ports is not None else 0
    scopes = _SCOPES if known >= _SCOPES_FROM else 0
    attributes = struct.pack("=QQQ", handled, network, scopes)
    size = 24 if scopes else 16 if network else 8
    rules = _call(libc, _CREATE, attributes, ctypes.c_size_t(size), 0)

    def allow(path: str, rights: int) -> None:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return  # a path that is gone, or closed to this user, needs no right
        try:
            rights &= handled if stat.S_ISDIR(os.fstat(place).st_mode) else handled & _OF_FILES
            if rights:
                _call(libc, _ADD, rules, _PATH, struct.pack("=Qi", rights, place), 0)
        finally:
            os.close(place)

    try:
        allow("/", _READ_DIR)
        for path in around(files.hidden):
            allow(path, _READ_FILE | _READ_DIR | _EXECUTE)
        allow(files.scratch, handled)
        for device in _WRITABLE_DEVICES:
            allow(device, _READ_FILE | _WRITE_FILE)
        for port in ports or () if network else ():
            _call(libc, _ADD, rules, _PORT, struct.pack("=QQ", _CONNECT, port), 0)
        _call(libc, _RESTRICT, rules, 0)
    finally:
        os.close(rules)
    return known
