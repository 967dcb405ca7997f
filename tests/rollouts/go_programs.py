"""Programs of this folder in Go, by which the real consumers are called. Where they cannot be built, a test skips."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.trial_fixture import ROOT

BUILD_LIMIT_S = 1_200
NO_MODULES = ("dial tcp", "lookup", "i/o timeout", "requires go", "module lookup disabled", "disabled by GOPROXY")
"""Parts of Go's messages where modules, or a Go that is new enough, are out of reach."""


def call(name: str, questions: Any, folder: Path, borrowed: tuple[str, str] | None = None) -> Any:
    """Build the program `name` into `folder`, give it JSON and return its JSON. A first build takes minutes.

    `borrowed`: a module and a file in it, which becomes a package of the program as it is. So one file of a program is
    compiled without all that its package needs.
    """
    if shutil.which("go") is None:
        pytest.skip("Go is not installed, and the real consumer is built from its Go module")
    source, program = ROOT / "tests" / "rollouts" / name, folder / name
    options = []
    if borrowed is not None:
        module, file = borrowed
        _go(source, "mod", "download", module)
        place = Path(_go(source, "list", "-m", "-f", "{{.Dir}}", module).strip()) / file
        target = source / Path(file).parent.name / Path(file).name
        (folder / "overlay.json").write_text(json.dumps({"Replace": {str(target): str(place)}}), "utf-8")
        options = ["-overlay", str(folder / "overlay.json")]
    _go(source, "build", *options, "-o", str(program), ".")
    done = subprocess.run(
        [program], input=json.dumps(questions), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _go(source: Path, *words: str) -> str:
    """Run Go in a folder. A test skips where modules cannot be loaded here."""
    try:
        done = subprocess.run(
            ["go", *words], cwd=source, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"`go {words[0]}` took more than {BUILD_LIMIT_S} s for the program {source.name}")
    if done.returncode:
        reason = " ".join(done.stderr.split()[-60:])
        if any(word in reason for word in NO_MODULES):
            pytest.skip(f"the Go modules of {source.name} cannot be loaded here: {reason}")
        pytest.fail(f"the Go program {source.name} cannot be built: {reason}")
    return done.stdout
