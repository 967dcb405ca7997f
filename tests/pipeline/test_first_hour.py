"""From nothing to a decision by the commands that a new user types, and the time that it takes."""

import os
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from shadowstream.testing import Broker, EmbeddedKafka
from tests import forked
from tests.conftest import Say
from tests.install.packages import ROOT, wheel_of
from tests.pipeline.first_hour import LIMIT_S, FirstHour

IN_ALL_S = 300.0
"""The promise: a decision within five minutes, in an empty environment too."""


def proposed(hour: FirstHour) -> list[tuple[str, str, str, int]]:
    return [(one["kind"], one["path"], one["why"], one["hides"]) for one in hour.found["proposed"]]


def test_a_new_user_gets_a_promote_and_after_a_bug_a_reject(
    kafka: Broker, topic_prefix: str, tmp_path: Path, say: Say
) -> None:
    def ask(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return forked.run([sys.executable, "-m", "shadowstream", *words], LIMIT_S, cwd=tmp_path, env=environment)

    hour = FirstHour(kafka.bootstrap, f"hour-{topic_prefix[-9:-1]}", tmp_path, ask)
    hour.play()
    say(hour.table())
    assert proposed(hour) == [("ignore", "trace", "each side writes a value drawn for each record", 0)]


@pytest.mark.long
def test_the_same_from_the_wheel_in_an_empty_environment(tmp_path: Path, say: Say) -> None:
    began = time.monotonic()
    wheel = wheel_of(ROOT, tmp_path)
    venv.create(tmp_path / "venv", symlinks=True, with_pip=True)
    python, folder = tmp_path / "venv" / "bin" / "python", tmp_path / "trial"
    folder.mkdir()
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[judge]"], check=True, cwd=folder)
    installed_s = time.monotonic() - began
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def ask(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        program = str(python.with_name("shadowstream"))
        return subprocess.run(
            [program, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    with EmbeddedKafka() as kafka:
        hour = FirstHour(kafka.bootstrap, "hour", folder, ask)
        hour.play()
    in_all_s = time.monotonic() - began
    say(f"{installed_s:6.1f} s  wheel, environment and its libraries\n{hour.table()}\n{in_all_s:6.1f} s with both")
    assert [one[:2] for one in proposed(hour)] == [("ignore", "trace")]
    assert in_all_s < IN_ALL_S
