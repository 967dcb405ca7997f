"""Processes of `python -m MODULE`, forked from one process that has imported the package.

Importing takes more than a second of CPU, and the tests start several hundred roles. Each is a process of its own, with
its environment, its files and its exit status, a child of the process that asked for it, and can be stopped and killed.
The roles of a forked `up` are forked as well.
"""

import atexit
import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODULES = (
    "scipy.special",
    "structlog",
    "shadowstream.judge.drift.river_adwin",
    "shadowstream.judge.evidence.forecast",
    *(
        f"shadowstream.cli.{name}"
        for name in ("alerts", "diff", "doctor", "explain", "gate", "override", "replay", "up")
    ),
    *(f"shadowstream.kafka.roles.{name}" for name in ("joiner", "judge", "labels", "runner")),
)
"""Imported before the first fork. Any other module can run as well."""
LEAST = "{name: t, inputs: [i], production: {outputs: [o]}, candidate: {call: 'm:f', trusted: true}}"
"""A config of the least keys."""
SUPERVISORS = (["shadowstream", "up"],)
"""First words of the processes whose children are forked too."""
_PR_SET_CHILD_SUBREAPER = 36
_FREE_FD = 500
_asking = threading.Lock()
_origins: list[socket.socket] = []
"""The way to the process that forks for this one, once there is one."""


class Forked(subprocess.Popen[Any]):
    """A process of `[sys.executable, "-m", MODULE, *words]`, used as a `Popen`, which overrides how it begins."""

    def _execute_child(self, args: Sequence[str], *settings: Any) -> None:
        passed, cwd, env, pipes, group = *settings[3:6], settings[9:15], settings[21]
        files = [pipe if pipe >= 0 else at for at, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        request = [list(args[1:]), str(cwd or os.getcwd()), dict(os.environ if env is None else env), passed, group]
        asked = json.dumps(request).encode()
        with _asking:
            origin = _origin()
            _adopt_orphans(True)
            socket.send_fds(origin, [len(asked).to_bytes(4)], [*files, *passed])
            origin.sendall(asked)
            self.pid = int.from_bytes(origin.recv(4, socket.MSG_WAITALL))
            _adopt_orphans(False)
        assert self.pid, "the process that forks has ended"
        self._child_created = True
        self._close_pipe_fds(*pipes)


class _Forking:
    """The part of `subprocess` by which a supervisor starts and stops its children."""

    Popen, TimeoutExpired = Forked, subprocess.TimeoutExpired


@contextmanager
def forked_children() -> Iterator[None]:
    """Within it a supervisor of this process forks its children."""
    _let_supervisors_use(_Forking)
    try:
        yield
    finally:
        _let_supervisors_use(subprocess)


def _let_supervisors_use(starter: Any) -> None:
    vars(importlib.import_module("shadowstream.kafka.supervisor"))["subprocess"] = starter


def _adopt_orphans(adopts: bool) -> None:
    """While it does, what a child of this process has forked becomes a child of this process once its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(adopts), 0, 0, 0)


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


def _origin() -> socket.socket:
    """The way to the process that forks. It ends when this process does."""
    if not _origins:
        near, far = socket.socketpair()
        with far:
            # A process with threads cannot be forked.
            env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
            command = [sys.executable, "-m", "tests.forked", str(far.fileno())]
            null = subprocess.DEVNULL
            process = subprocess.Popen(command, pass_fds=[far.fileno()], cwd=ROOT, env=env, stdin=null, stdout=null)
        atexit.register(lambda: (near.close(), process.wait()))  # its CPU counts with that of the tests
        _origins.append(near)
    return _origins[0]


def _loaded() -> list[str]:
    """Import what the processes need; return the path without the parts that each of them has of its own."""
    known = {str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    path = [entry for entry in sys.path if entry not in known]
    for module in MODULES:
        importlib.import_module(module)
    # The validator of the config is built with the first one that is loaded.
    importlib.import_module("shadowstream.configfile").source_of(LEAST, "trial.yaml", {})
    gc.freeze()
    return path


def _serve(origin: socket.socket, path: list[str]) -> None:
    """Fork a process for each question; returns in it.

    It is forked twice, and the process between ends at once: so the one that asked becomes its parent.
    """
    while True:
        length, files, _, _ = socket.recv_fds(origin, 4, 16)
        if not length:
            os._exit(0)
        asked = json.loads(origin.recv(int.from_bytes(length), socket.MSG_WAITALL))
        answer, write = os.pipe()
        if not (between := os.fork()):
            if pid := os.fork():
                os.write(write, pid.to_bytes(4))
                os._exit(0)
            break
        os.waitpid(between, 0)
        origin.sendall(os.read(answer, 4))
        for file in (answer, write, *files):
            os.close(file)
    for file in (answer, write):
        os.close(file)
    origin.close()
    _become(asked, files, path)
    if sys.argv[:2] in SUPERVISORS:
        _fork_for_children(path)


def _become(asked: Sequence[Any], files: list[int], path: list[str]) -> None:
    """Take the command line, folder, environment and files that were asked for."""
    arguments, cwd, env, passed, group = asked
    held = [fcntl.fcntl(file, fcntl.F_DUPFD, _FREE_FD) for file in files]
    for file in files:
        os.close(file)
    for at, file in zip((0, 1, 2, *passed), held, strict=True):
        os.dup2(file, at)
        os.close(file)
    if group >= 0:
        os.setpgid(0, group)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    first = [] if "-P" in arguments[: arguments.index("-m")] else [cwd]
    sys.path[:] = [*first, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *path]
    sys.argv[:] = arguments[arguments.index("-m") + 1 :]


def _fork_for_children(path: list[str]) -> None:
    """Let a child fork for this process, which will have threads; returns in this process and in those it asks for."""
    near, far = socket.socketpair()
    if not os.fork():
        near.close()
        os.setpgid(0, 0)  # Ctrl-C is for this process
        _serve(far, path)
        return
    far.close()
    _origins[:] = [near]
    _let_supervisors_use(_Forking)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), _loaded())
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
