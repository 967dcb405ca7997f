"""One Java process that never outlives the Python process that started it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_LAUNCHER = """
import ctypes, os, sys
parent = int(sys.argv[1])
try:
    ctypes.CDLL(None).prctl(1, 9)
except (AttributeError, OSError):
    pass
if os.getppid() != parent:
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""PR_SET_PDEATHSIG = 1, SIGKILL = 9, kept across exec. A launcher rather than preexec_fn, which is not safe in a
process with threads. The second look at the parent covers its death before prctl."""


class JavaProcess:
    """`command`, its output appended to `log`, in a session of its own (so Ctrl-C reaches Python first).

    Linux kills a child by PR_SET_PDEATHSIG when the *thread* that forked it ends, not the process. So a thread of
    this object's own forks, and stays until the child is gone.
    """

    def __init__(self, command: Sequence[str], log: IO[bytes], *, cwd: Path) -> None:
        self._command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
        self._log = log
        self._cwd = cwd
        self._forked = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._keeper = threading.Thread(target=self._keep, name="shadowstream-java-keeper", daemon=True)
        self._keeper.start()
        self._forked.wait()
        if self._failure:
            raise self._failure

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                cwd=self._cwd,
                start_new_session=True,
            )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._forked.set()
        self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> bool:
        self._keeper.join(timeout_s)
        return not self._keeper.is_alive()

    def terminate(self, limit_s: float) -> None:
        """Send SIGTERM, and SIGKILL if it still runs after `limit_s`."""
        self._signal(signal.SIGTERM)
        if not self.wait(limit_s):
            self.kill()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
