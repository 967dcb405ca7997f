"""Packages that are installed apart, because they need other releases than the locked packages of this project.

The lock of such packages holds only what differs from requirements.lock; `make lock` writes it.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OPTIONS = "--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate"
_PINNED = re.compile(r"(?m)^(\S+==[^\s;]+)[^\n]*(?:\n    [^\n]*)*\n")


def without(lock: str, other: str) -> str:
    """Return the entries of a lock that the other one does not pin."""
    known = {match[1] for match in _PINNED.finditer(other)}
    return "".join(match[0] for match in _PINNED.finditer(lock) if match[1] not in known)


def write_lock(lock: Path, *wanted: str) -> None:
    """Resolve with the versions of requirements.lock where that is possible."""
    main = (ROOT / "requirements.lock").read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole.lock")
        whole.write_text(main, "utf-8")
        uv = [Path(sys.executable).with_name("uv"), "pip", "compile", "-", "--quiet", *_OPTIONS.split()]
        subprocess.run([*uv, "--output-file", whole], input="\n".join(wanted), text=True, check=True)
        lock.write_text(without(whole.read_text("utf-8"), main), "utf-8")


def installed(lock: Path) -> Path:
    """Return the folder of a lock's packages beside this environment, filled if it is not."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder = Path(sys.prefix, lock.stem)
    stamp = folder / ".lock"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "--target", folder, "-r", lock], check=True)
        stamp.write_text(digest)
    return folder
