"""Processes of `python -m MODULE`, forked from one process that has imported the package.

Importing takes more than a second of CPU, and the tests start several hundred roles. Each is a process of its own, with
its environment, its files and its exit status, and can be stopped and killed.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODULES = (
    "scipy.special",
    *(f"shadowstream.cli.{name}" for name in ("alerts", "diff", "explain", "gate", "override", "replay", "up")),
    *(f"shadowstream.kafka.roles.{name}" for name in ("joiner", "judge", "labels", "runner")),
)
"""Imported before the first fork. Any other module can run as well."""
_asking = threading.Lock()


class Forked(subprocess.Popen[Any]):
    """A process of `[sys.executable, "-m", MODULE, *words]`, used as a `Popen`.

    It overrides the three methods of `Popen` in which a process begins and its end is seen.
    """

    def _execute_child(self, args: list[str], *settings: Any) -> None:
        cwd, env, pipes = settings[4], settings[5], settings[9:15]
        files = [pipe if pipe >= 0 else at for at, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        self._end, report = os.pipe()
        asked = json.dumps([args[2:], str(cwd or os.getcwd()), dict(os.environ if env is None else env)]).encode()
        with _asking:
            origin, _ = _origin()
            socket.send_fds(origin, [len(asked).to_bytes(4)], [*files, report])
            origin.sendall(asked)
        os.close(report)
        self.pid = int.from_bytes(os.read(self._end, 4))
        assert self.pid, "the process that forks has ended"
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """As `os.waitpid`: the process id and its status, or zeros while it runs."""
        if wait_flags & os.WNOHANG and not select.select([self._end], [], [], 0)[0]:
            return 0, 0
        status = int.from_bytes(os.read(self._end, 4))
        os.close(self._end)
        return self.pid, status

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self._waitpid_lock.acquire(blocking=False):
            try:
                pid, status = self._try_wait(os.WNOHANG) if self.returncode is None else (0, 0)
                if pid:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def run(command: list[str], timeout: float, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does, with what it prints."""
    with Forked(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings) as process:
        try:
            printed = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, *printed)


def python(
    *words: str, timeout: float = 60, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter to its end, with the package on its path and these variables besides."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)


@cache
def _origin() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The process that forks, and the way to it. It ends when this process does."""
    near, far = socket.socketpair()
    with far:
        # A process with threads cannot be forked.
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        command = [sys.executable, "-m", "tests.forked", str(far.fileno())]
        null = subprocess.DEVNULL
        process = subprocess.Popen(command, pass_fds=[far.fileno()], cwd=ROOT, env=env, stdin=null, stdout=null)
    atexit.register(lambda: (near.close(), process.wait()))  # its CPU counts with that of the tests
    return near, process


def _serve(origin: socket.socket) -> None:
    """Fork a process for each question; returns in it."""
    known = {str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    path = [entry for entry in sys.path if entry not in known]
    for module in MODULES:
        importlib.import_module(module)
    gc.freeze()
    while True:
        length, files, _, _ = socket.recv_fds(origin, 4, 4)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not length:
            os._exit(0)
        words, cwd, env = json.loads(origin.recv(int.from_bytes(length), socket.MSG_WAITALL))
        if not os.fork():
            break
        for file in files:
            os.close(file)
    origin.close()
    _wait_in_parent(*files)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *path]
    sys.argv[:] = words


def _wait_in_parent(*files: int) -> None:
    """Fork once more; the parent writes the process id and the exit status to the last of the files."""
    report = files[-1]
    if pid := os.fork():
        for file in (0, 1, 2, *files[:-1]):
            os.close(file)
        os.write(report, pid.to_bytes(4))
        os.write(report, os.waitpid(pid, 0)[1].to_bytes(4))
        os._exit(0)
    for at, file in enumerate(files[:-1]):
        os.dup2(file, at)
    for file in files:
        os.close(file)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
