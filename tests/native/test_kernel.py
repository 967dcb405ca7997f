"""The kernel agrees with Python on pairs by chance, and every fault that is planted in it shows."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from shadowstream.native.library import Kernel
from tests.native import __main__ as fuzzer
from tests.native.oracle import run

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def sanitized() -> Iterator[Run]:
    """The fuzzer on a kernel with sanitizers."""
    try:
        with fuzzer.sanitized() as run_on:
            yield run_on
    except fuzzer.NoSanitizerError as error:
        pytest.skip(f"no sanitizer: {error}")


def test_every_level_and_name_is_that_of_python(built: Path) -> None:
    counts = run(224, Kernel(built), 30)  # batches in which every level comes
    assert {"match", "ignored", "tolerated", "mismatch", "unknown", "named", "noted", "repeats"} <= {*counts}


def test_sanitizers_find_nothing_and_each_planted_fault_shows(sanitized: Run) -> None:
    known = {int(fault) for fault in json.loads(Path(fuzzer.SEEDS).read_text("utf-8"))}
    assert known == {*fuzzer.FAULTS}, "python -m tests.native --planted --write finds seeds anew"
    done = sanitized("--seconds", "1", "--planted", "--known")
    assert (done.returncode, "match" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.long
def test_ten_minutes_of_pairs_find_nothing(sanitized: Run) -> None:
    done = sanitized("--seconds", "600", "--seed", "2")
    assert done.returncode == 0, done.stdout + done.stderr
