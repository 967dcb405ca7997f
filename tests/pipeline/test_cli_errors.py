"""What an operator gets wrong: each role's process ends with one exit code and says what, where and what to do."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shadowstream.errors import IsolationError
from shadowstream.kafka.client.consumers import plain_writer
from shadowstream.records import Write
from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import create_topics, read_all
from tests import forked
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import Trial

ROLES = ("run", "join", "judge")
CONNECT_LIMIT_S = 45.0


@pytest.fixture
def trial(make_trial: MakeTrial) -> Trial:
    """A good trial whose source topics exist."""
    return make_trial("errors-")


def endings(trial: Trial, *commands: str) -> Iterator[tuple[str, int, str, str]]:
    """Each command's name, exit code, error message and stderr; all of them run side by side."""
    started = {command: trial.start(command, "--json", log=command) for command in commands}
    for command, process in started.items():
        try:
            out, _ = process.communicate(timeout=CONNECT_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        error = json.loads(out.splitlines()[-1])["error"]
        assert error["exit_code"] == process.returncode
        assert f"error: {error['message']}" in trial.log_text(command)
        assert "Traceback" not in trial.log_text(command)
        yield command, process.returncode, error["kind"], error["message"]


def test_a_wrong_key_ends_every_command_with_2_and_its_place(trial: Trial) -> None:
    trial.write_config(grace=5)
    for command, code, kind, message in endings(trial, *ROLES, "up", "gate"):
        assert (code, kind) == (2, "ConfigError"), command
        assert "trial.yaml:" in message
        assert "grace: unknown key; did you mean 'grace_ms'?" in message


@pytest.mark.parametrize(
    ("call", "part", "commands"),
    [
        ("no_such_candidate:judge", "there is no module 'no_such_candidate' here", ["run", "up"]),
        ("trial_candidate:jugde", "defines no 'jugde'; did you mean 'judge'?", ["run", "up"]),
        ("importing:judge", "no_such_library", ["run"]),
    ],
)
def test_an_unknown_candidate_ends_runner_and_up_with_2_and_is_named(
    trial: Trial, call: str, part: str, commands: list[str]
) -> None:
    (trial.folder / "importing.py").write_text("import no_such_library\n\ndef judge(order): ...\n", "utf-8")
    trial.write_config(candidate={"call": call, "trusted": True})
    for command, code, kind, message in endings(trial, *commands):
        assert (code, kind) == (2, "ConfigError"), command
        assert part in message
    assert not any("restarting" in trial.log_text(command) for command in commands)


def test_an_unknown_demo_candidate_exits_2_and_names_known_ones() -> None:
    result = forked.run([sys.executable, "-m", "shadowstream", "demo", "--candidate", "better", "--json"], 60)
    assert result.returncode == 2
    assert "--candidate: 'better' is not one of same, worse, late-bug" in result.stderr


def test_an_unreachable_broker_ends_every_command_with_1_and_names_the_address(trial: Trial) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    trial.write_config(kafka={"bootstrap": nobody})
    for command, code, kind, message in endings(trial, *ROLES, "gate", "diff"):
        assert (code, kind) == (1, "BrokerError"), command
        assert nobody in message


@pytest.mark.parametrize("whose", ["ours", "another trial's"])
def test_an_output_topic_that_lies_among_shadow_topics_is_refused_with_1(trial: Trial, whose: str) -> None:
    output = trial.topic("out.scores") if whose == "ours" else "shadow.other.out.scores"
    trial.write_config(production={"outputs": [output], "group": trial.group})
    for command, code, kind, message in endings(trial, *ROLES):
        assert (code, kind) == (1, "IsolationError"), command
        assert message.startswith(f"{output!r} is under 'shadow.'")


def test_a_missing_source_topic_ends_roles_with_2_and_stays_missing(trial: Trial) -> None:
    trial.write_config(inputs=[f"{trial.name}-absent"])
    for command, code, kind, message in endings(trial, *ROLES):
        assert (code, kind) == (2, "ConfigError"), command
        assert f"topics not found on the cluster: {trial.name}-absent" in message


@pytest.mark.parametrize("outside", ["{name}-scores", "shadow.{name}", "shadow.{name}2.out.scores"])
def test_a_write_outside_the_prefix_is_refused_before_it_is_produced(trial: Trial, outside: str) -> None:
    topic, inside = outside.format(name=trial.name), trial.topic("progress")
    create_topics(trial.bootstrap, {name: 1 for name in (inside, topic) if name != trial.output})
    writer = plain_writer(trial.config)
    with pytest.raises(IsolationError, match=f"refused to write to '{topic}'"):
        writer.write([Write(inside, 0, None, b"allowed"), Write(topic, 0, None, b"never")])
    assert writer.producer.flush(30) == 0
    assert [read.value for read in read_all(trial.bootstrap, inside)] == [b"allowed"]
    assert read_all(trial.bootstrap, topic) == []


def test_a_transaction_timeout_beyond_the_brokers_ends_with_2_and_its_key(trial: Trial) -> None:
    trial.write_config(limits={"transaction_timeout_ms": 16 * 60_000})
    for role, code, kind, message in endings(trial, *ROLES):
        assert (code, kind) == (2, "ConfigError"), role
        assert "limits.transaction_timeout_ms is more than the broker accepts" in message
