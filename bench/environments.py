"""The peers from PyPI, each in an environment of its own, from a lock with hashes."""

import hashlib
import subprocess
import sys
from pathlib import Path

from bench.java_engines import Absent

HERE = Path(__file__).parent
FOLDER = HERE / ".environments"


def lock_of(peer: str) -> Path:
    """The peer's lock; its first line in requirements-<peer>.in names it."""
    return HERE / f"requirements-{peer}.lock"


def version_of(peer: str) -> str:
    """The peer's own version, from its lock."""
    wanted = (HERE / f"requirements-{peer}.in").read_text("utf-8").split()[0].partition("==")
    return wanted[2]


def python_of(peer: str) -> Path:
    """The Python of the peer's environment, made where it is missing or of another lock. Raises `Absent`."""
    lock, place = lock_of(peer), FOLDER / peer
    stamp, digest = place / ".lock", hashlib.sha256(lock_of(peer).read_bytes()).hexdigest()
    python = place / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest:
        return python
    print(f"making an environment for {peer} from {lock.name}", file=sys.stderr)
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [*install, "--only-binary", ":all:", "--requirement", str(lock)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Absent(f"{peer} could not be installed: {done.stderr.strip()[-300:]}")
    stamp.write_text(digest)
    return python
