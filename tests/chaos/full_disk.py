"""A disk that is full when a test says so: a file system in memory, in a mount namespace of its own.

No root is needed. Who is outside reaches it by way of the process that holds the namespace.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNT = "/mnt"
HOLD = f'mount -t tmpfs -o size="$0" tight {MOUNT} && echo held && exec cat'
CHUNK = 1 << 20


class Refused(Exception):
    """This machine lets nobody make namespaces; the message is the kernel's."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What lies under `path` shares its room."""

    path: Path
    holder: int

    def within(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command that has the disk at `MOUNT`, for those who follow a path link by link and lose the way."""
        enter = ["nsenter", "--user", "--mount", "--preserve-credentials", "--target", str(self.holder)]
        return subprocess.run([*enter, *words], check=False, capture_output=True, text=True, timeout=60)

    @property
    def _filler(self) -> Path:
        return self.path / "filler"

    def fill(self) -> int:
        """Take what is left, to the last block; bytes."""
        with self._filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            size = CHUNK
            while size:
                try:
                    if not filler.write(bytes(size)):
                        break
                except OSError:
                    size //= 2
        return self._filler.stat().st_size

    def free(self) -> None:
        """Give it back."""
        self._filler.unlink()

    @property
    def left(self) -> int:
        """Bytes."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize


@contextlib.contextmanager
def tight_disk(mb: int) -> Iterator[Disk]:
    """A disk of so many MB. Raises `Refused` where there are no namespaces for us."""
    try:
        holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", HOLD, f"{mb}m"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError as error:
        raise Refused(str(error)) from error
    with holder:
        assert holder.stdout
        assert holder.stderr
        if holder.stdout.readline() != "held\n":
            raise Refused(holder.stderr.read().strip())
        try:
            yield Disk(Path(f"/proc/{holder.pid}/root{MOUNT}"), holder.pid)
        finally:
            holder.kill()
