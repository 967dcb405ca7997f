"""Reasons why a broker did not start, for the person who started it."""

import contextlib
import errno
import os
from pathlib import Path

from shadowstream.errors import BrokerError

_PROBE_BYTES = 1 << 20
_LAST_LINES = 15

_CAUSES = (
    ("Address already in use", "its port, or its controller's, was taken by another process while it started"),
    ("No space left on device", "the disk under {home} is full ({free}): free some, or give another data_dir"),
    ("File too large", "a file-size limit of this process (ulimit -f) stops it from writing to {home}"),
    ("Read-only file system", "{home} is on a read-only file system: give another data_dir"),
    ("AccessDeniedException", "{home} holds files that this user may not write: give another data_dir"),
    ("Permission denied", "{home} holds files that this user may not write: give another data_dir"),
    ("Could not reserve enough space", "the machine has no memory left for its heap"),
    ("OutOfMemoryError", "its heap or the machine's memory is exhausted"),
)
_WRITE_CAUSES = {
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "No space left on device",
    errno.EFBIG: "File too large",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
}


def prove_writable(home: Path) -> None:
    """Write one MiB and remove it, which finds a bad directory seconds before the broker would. Raises `BrokerError`:
    the directory is full, limited or not writable."""
    refusal = _write_probe(home)
    if refusal is not None:
        raise BrokerError(explain(f"{refusal.strerror} while writing to its directory", "", home))


def explain(fate: str, output: str, home: Path) -> str:
    """Return the whole message: the failure, its cause if known, and the last lines of the log."""
    evidence = output
    refusal = _write_probe(home)
    if refusal is not None and refusal.errno in _WRITE_CAUSES:
        # A full disk also swallows the log that would say so.
        evidence = _WRITE_CAUSES[refusal.errno] + "\n" + output
    causes = [cause.format(home=home, free=_free(home)) for sign, cause in _CAUSES if sign in evidence]
    # Without Java's stack frames, which would push out the words.
    words = [line for line in output.strip().splitlines() if not line.lstrip().startswith(("at ", "... "))]
    tail = words[-_LAST_LINES:]
    lines = [f"the embedded Kafka did not start: {fate}", *causes[:1]]
    if tail:
        lines += ["the last lines of its log:", *(f"  {line[:400]}" for line in tail)]
    return "\n".join(lines)


def _free(home: Path) -> str:
    with contextlib.suppress(OSError):
        disk = os.statvfs(home)
        return f"room for {disk.f_bavail * disk.f_frsize >> 20} MB and {disk.f_favail} files"
    return "how much is left cannot be told"


def _write_probe(home: Path) -> OSError | None:
    probe = home / "write.probe"
    try:
        with probe.open("wb") as handle:
            handle.write(b"\0" * _PROBE_BYTES)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        return error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None
