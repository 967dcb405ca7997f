"""Build of the kernel by the C compiler of this machine: `$CC`, `cc`, or the package ziglang.

It needs nothing but Python's own library, since `make setup` and the build of a wheel run it as a script. The library
stands beside its source and has a hash of it in its name: a changed source never meets an old library.
"""

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCE = "kernel.c"
"""The one file that is compiled; it includes the others."""
# No contraction: a product and a sum are rounded one by one, as Python does it.
FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno")
COMPILE_S = 120.0


class NotBuiltError(Exception):
    """No compiler of this machine made the library."""


def sources() -> list[Path]:
    """All files of the kernel."""
    return sorted(FOLDER.glob("*.[ch]"))


def file_name() -> str:
    """The name of the library of this source on this machine."""
    digest = hashlib.sha256(b"".join(one.read_bytes() for one in sources())).hexdigest()[:12]
    return f"kernel-{digest}.{sysconfig.get_platform()}.so"


def compilers() -> Iterator[list[str]]:
    """The commands that may compile C here, in the order in which they are tried."""
    if own := shlex.split(os.environ.get("CC", "")):
        yield own
    if found := shutil.which("cc"):
        yield [found]
    if find_spec("ziglang") is not None:
        yield [sys.executable, "-P", "-m", "ziglang", "cc"]


def compiled(path: Path, flags: tuple[str, ...] = FLAGS) -> None:
    """Compile the kernel to a path. Raises `NotBuiltError` with the reason."""
    problem = "no C compiler: neither CC, nor cc on the path, nor the package ziglang"
    for command in compilers():
        # Written elsewhere first: another process sees a whole library or none.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".kernel-") as folder:
            made = Path(folder, path.name)
            try:
                done = subprocess.run(
                    [*command, *flags, "-o", str(made), SOURCE],
                    cwd=FOLDER, capture_output=True, text=True, timeout=COMPILE_S, check=False,
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                problem = f"{command[0]} does not run: {error}"
                continue
            if done.returncode == 0:
                made.replace(path)
                return
            problem = f"{shlex.join(command)} failed: {(done.stderr or done.stdout).strip()[:500]}"
    raise NotBuiltError(problem)


def build(folder: Path) -> Path:
    """Make the library in a folder, unless it is there; return its path. Libraries of older sources are removed.

    Raises `NotBuiltError`; OSError where the folder cannot be written.
    """
    path = folder / file_name()
    if not path.exists():
        compiled(path)
    for old in folder.glob(f"kernel-*.{sysconfig.get_platform()}.so"):
        if old != path:
            with contextlib.suppress(OSError):
                old.unlink()
    return path


def main() -> int:
    """Build, and print how it went. Exit code 0 in any case: nothing depends on the library."""
    try:
        print(f"setup: the native comparison is built ({build(FOLDER).name})")
    except (NotBuiltError, OSError) as error:
        print(f"setup: values are compared in Python, which gives the same results; {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
