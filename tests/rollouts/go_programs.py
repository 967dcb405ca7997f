"""Programs of this folder in Go, by which the real consumers are called. Where they cannot be built, a test skips."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.trial_fixture import ROOT

BUILD_LIMIT_S = 1_200


def call(name: str, questions: Any, folder: Path) -> Any:
    """Build the program `name` into `folder`, give it JSON and return its JSON. A build takes minutes, the next one
    seconds."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed, and the real consumer is built from its Go module")
    program = folder / name
    command = [go, "build", "-o", str(program), "."]
    source = ROOT / "tests" / "rollouts" / name
    try:
        built = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the Go program {name} was not built within {BUILD_LIMIT_S} s")
    if built.returncode:
        reason = " ".join(built.stderr.split()[-60:])
        if any(word in reason for word in ("dial tcp", "lookup", "requires go", "unrecognized import path")):
            pytest.skip(f"the Go modules of {name} cannot be loaded here: {reason}")
        pytest.fail(f"the Go program {name} cannot be built: {reason}")
    done = subprocess.run(
        [program], input=json.dumps(questions), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
