"""The embedded Kafka: started, killed, restarted, beside another one, and gone with its owner."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not all in its __all__
    AdminClient,
    ConfigResource,
    ResourceType,
)

from shadowstream.errors import BrokerError
from shadowstream.testing import Broker, EmbeddedKafka
from shadowstream.testing.home import Home, sweep_abandoned
from shadowstream.testing.topics import Write, create_topics, produce_all, read_all

GONE_LIMIT_S = 10


def alive(pid: int) -> bool:
    """A zombie counts as gone: it only waits to be asked for its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + GONE_LIMIT_S
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def values(bootstrap: str, topic: str) -> list[bytes | None]:
    return [read.value for read in read_all(bootstrap, topic)]


@pytest.mark.long
def test_records_outlive_kill_restart_and_a_new_broker_on_the_same_directory(tmp_path: Path) -> None:
    written = [b"%d" % number for number in range(100)]
    with EmbeddedKafka(data_dir=tmp_path) as first:
        bootstrap = first.bootstrap
        create_topics(bootstrap, {"kept": 1})
        produce_all(bootstrap, "kept", [Write(value) for value in written])
        killed = first.pid
        first.kill()
        assert not alive(killed)
        assert not first.running
        first.start()
        assert first.bootstrap == bootstrap
        assert first.pid != killed
        assert values(bootstrap, "kept") == written
        with pytest.raises(BrokerError, match="another broker runs on"):
            EmbeddedKafka(data_dir=tmp_path).start()
        assert alive(first.pid), "a refused second broker does no harm to the first"
        first.restart()
        assert first.bootstrap == bootstrap
        assert values(bootstrap, "kept") == written
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists(), "an orderly stop"
    with EmbeddedKafka(data_dir=tmp_path, port=first.port) as second:
        assert second.bootstrap == bootstrap
        assert values(bootstrap, "kept") == written


def test_two_brokers_beside_each_other_share_nothing(kafka: Broker, topic_prefix: str) -> None:
    with EmbeddedKafka() as other:
        assert other.bootstrap != kafka.bootstrap
        topic = f"{topic_prefix}one"
        create_topics(other.bootstrap, {topic: 1})
        produce_all(other.bootstrap, topic, [Write(b"other")])
        assert values(other.bootstrap, topic) == [b"other"]
        assert topic not in AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics

        with pytest.raises(BrokerError, match="exists"):
            create_topics(other.bootstrap, {topic: 1})

        pid, home = other.pid, other.log_path.parent
        assert home.is_dir()
        other.start()
        assert other.pid == pid, "starting a running broker leaves it as it is"
        other.stop()
        assert not alive(pid)
        assert not home.exists()
        other.stop()


def test_lines_of_server_properties_can_be_given_and_recorded_classes_are_used() -> None:
    with EmbeddedKafka(properties={"group.max.size": "7"}) as kafka:
        assert "-XX:AOTCache=" in Path(f"/proc/{kafka.pid}/cmdline").read_text()
        assert "[aot]" not in kafka.log_path.read_text()
        broker = ConfigResource(ResourceType.BROKER, "1")
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        (answer,) = admin.describe_configs([broker]).values()
        settings = answer.result(10)
    assert settings["group.max.size"].value == "7"
    assert settings["auto.create.topics.enable"].value == "false"


def test_before_the_first_start_there_is_neither_address_nor_process() -> None:
    kafka = EmbeddedKafka()
    for ask in (lambda: kafka.bootstrap, lambda: kafka.pid, lambda: kafka.log_path):
        with pytest.raises(BrokerError, match=r"start|running"):
            ask()


OWNER = """
import sys, threading, time
from shadowstream.testing import EmbeddedKafka
kafka = EmbeddedKafka()
starter = threading.Thread(target=kafka.start)
starter.start()
starter.join()
time.sleep(1)
print(kafka.pid, kafka.running, kafka.log_path.parent, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process ask to die with its parent")
def test_the_broker_outlives_the_thread_that_started_it_but_not_the_process() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", OWNER], env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid_text, running, home_text = owner.stdout.readline().split()
        home = Path(home_text)
        assert running == "True"
        assert alive(int(pid_text))
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert wait_until_gone(int(pid_text))
    assert home.is_dir(), "a process killed outright cannot clean up"
    sweep_abandoned()
    assert not home.exists(), "so the next broker does"


def test_sweeping_spares_the_directories_of_living_brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWSTREAM_KAFKA_TMP", str(tmp_path))
    of_a_living_process = tmp_path / f"shadowstream-kafka-{os.getpid()}-x"
    of_somebody_else = tmp_path / "shadowstream-kafka-notes-x"
    for directory in (of_a_living_process, of_somebody_else):
        directory.mkdir()
    sweep_abandoned()
    assert of_a_living_process.is_dir()
    assert of_somebody_else.is_dir()


def test_temporary_directories_lie_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWSTREAM_KAFKA_TMP", str(tmp_path))
    home = Home(None)
    assert home.path.parent == tmp_path
    home.remove()
    assert not home.path.exists()
    monkeypatch.setenv("SHADOWSTREAM_KAFKA_TMP", str(tmp_path / "absent"))
    with pytest.raises(BrokerError, match="SHADOWSTREAM_KAFKA_TMP"):
        Home(None)
    monkeypatch.setenv("SHADOWSTREAM_KAFKA_TMP", "")
    home = Home(None)
    assert home.path.parent == Path(tempfile.gettempdir())
    home.remove()
