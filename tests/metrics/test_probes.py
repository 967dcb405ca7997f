"""`/healthz` and `/readyz` of a runner in this process, whose loop a test can hold up; and `--listen`."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from shadowstream.errors import ConfigError
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.roles import runner
from shadowstream.records import Batch
from shadowstream.revision import revision_of
from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from shadowstream.web.probes import serve, split
from tests.metrics.scraping import Probed
from tests.pipeline.candidates import SAME
from tests.pipeline.trial_fixture import UNBOUNDED, Trial
from tests.pipeline.written_records import await_that

TURN_MAX_S = 2.0
MODULE = "held_up_candidate"


@contextmanager
def listening(watch: RoleHealth) -> Iterator[Probed]:
    probed = Probed(free_port())
    server = serve(probed.listen, watch)
    try:
        yield probed
    finally:
        server.shutdown()
        server.server_close()


def test_a_loop_that_does_not_turn_is_not_healthy_and_not_ready(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"held-up-{uuid4().hex[:8]}"
    trial = Trial(kafka.bootstrap, name, tmp_path, SAME, f"{MODULE}:judge", settings=UNBOUNDED)
    # Nobody produces here: the runner must not wait for production's first records to learn its partitioner.
    trial.write_config(candidate={"call": trial.call, "trusted": True, "partitioner": "input"})
    trial.create_topics()
    trial.write_orders(range(30))
    monkeypatch.syspath_prepend(tmp_path)
    # Not by the candidate: its call may take as long as candidate.timeout_ms, and the role is well meanwhile.
    taken, gate = runner.RunnerRole.consume, tmp_path / "gate"

    def held_up(role: runner.RunnerRole, batch: Batch, now_ms: int) -> int:
        while not gate.exists():
            time.sleep(0.02)
        return taken(role, batch, now_ms)

    monkeypatch.setattr(runner.RunnerRole, "consume", held_up)
    config, stop = trial.config, Stoppable()
    revision = revision_of(config)
    watch = RoleHealth(trial.name, "runner", TURN_MAX_S)
    role = threading.Thread(target=runner.run, args=(config, revision, stop, watch))
    with listening(watch) as probed:
        assert {path: probed.status(path) for path in ("/healthz", "/readyz")} == {"/healthz": 200, "/readyz": 503}
        role.start()
        try:
            await_that("the runner is assigned", lambda: watch.ready)
            await_that("its loop is held up", lambda: probed.status("/healthz") == 503)
            assert probed.status("/readyz") == 503
            gate.touch()
            await_that("its loop turns again", lambda: probed.status("/readyz") == 200 == probed.status("/healthz"))
        finally:
            gate.touch()
            stop.stop()
            role.join(60)
            sys.modules.pop(MODULE, None)
    assert not role.is_alive()


def test_other_paths_are_not_found() -> None:
    with listening(RoleHealth("paths", "joiner")) as probed:
        assert {probed.status(path) for path in ("/", "/metric", "/healthz/")} == {404}


def test_the_loopback_of_ip_version_6_can_be_listened_on() -> None:
    watch = RoleHealth("six", "judge")
    try:
        server = serve("[::1]:0", watch)
    except ConfigError as refused:
        pytest.skip(f"no IPv6 here: {refused}")
    try:
        assert server.server_address[0] == "::1"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("listen", ["localhost:", "localhost:123456", "localhost:http", "localhost:-1"])
def test_an_address_of_another_form_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        split(listen)


def test_a_port_in_use_is_a_usage_error(tmp_path: Path) -> None:
    with listening(RoleHealth("taken", "judge")) as probed:
        trial = Trial(f"127.0.0.1:{free_port()}", "taken", tmp_path)
        # No broker is there: the address is taken before one is asked for.
        answer = trial.ask("join", "--listen", probed.listen)
    assert answer.returncode == 2, answer.stderr
    assert f"--listen: cannot listen on {probed.listen}" in answer.stderr
    assert "choose another port" in answer.stderr
