"""The directory of one embedded broker: its data, configuration, log, and the lock of its owner."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

from shadowstream.errors import BrokerError

_TEMP_PREFIX = "shadowstream-kafka-"


class Home:
    """`given` is a directory that is kept; None makes a temporary one that `remove` deletes."""

    def __init__(self, given: Path | None) -> None:
        self._temporary = given is None
        self._lock: IO[str] | None = None
        try:
            if given is None:
                sweep_abandoned()
                self.path = Path(tempfile.mkdtemp(prefix=f"{_TEMP_PREFIX}{os.getpid()}-", dir=_temporary_root()))
            else:
                self.path = given.absolute()
                self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            way_out = "data_dir, or another SHADOWSTREAM_KAFKA_TMP" if given is None else "data_dir"
            raise BrokerError(f"no directory for the embedded Kafka: {error}. Give another {way_out}.") from error
        self.data, self.config, self.log = (self.path / name for name in ("data", "server.properties", "broker.log"))

    def log_since(self, begin: int) -> str:
        """Return the log from byte `begin` on; empty where there is none."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(begin)
            return log.read().decode(errors="replace")
        return ""

    def own(self) -> None:
        """Take the lock; the kernel gives it back when this process dies. Raises `BrokerError`: the directory cannot be
        written, or another broker runs on it."""
        self.release()
        try:
            self._lock = (self.path / "owner.lock").open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BrokerError(f"another broker runs on {self.path}: stop it, or give another data_dir") from None
        except OSError as error:
            raise BrokerError(f"the embedded Kafka cannot write to its directory: {error}") from error

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Release the lock, and delete a temporary directory."""
        self.release()
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def _temporary_root() -> Path:
    """Directory of the temporary ones: `SHADOWSTREAM_KAFKA_TMP`, else the system's."""
    return Path(os.environ.get("SHADOWSTREAM_KAFKA_TMP") or tempfile.gettempdir())


def sweep_abandoned() -> None:
    """Delete the temporary directories of brokers whose Python process was killed before it could.

    Both must hold: the process in the name is gone, and nobody holds the lock. The process number alone says nothing
    where containers share a temporary directory; the lock alone says nothing in the moment before it is taken.
    """
    for home in _temporary_root().glob(f"{_TEMP_PREFIX}*-*"):
        with contextlib.suppress(OSError, ValueError):
            owner = int(home.name.removeprefix(_TEMP_PREFIX).split("-")[0])
            if alive(owner) or home.stat().st_uid != os.getuid():
                continue
            with (home / "owner.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(home, ignore_errors=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
