"""What keeps the embedded Kafka from starting is said: what, where, and the way out."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.jars import cache_dir, kafka_classpath
from shadowstream.testing.kafka_jars import KAFKA_JARS

OFFLINE = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")

START = """
import sys
from pathlib import Path
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.testing import EmbeddedKafka
try:
    EmbeddedKafka(data_dir=Path(sys.argv[1])).start()
except BrokerError as error:
    print(error)
    sys.exit(7)
"""


@contextlib.contextmanager
def tmpfs(at: Path, options: str) -> Iterator[Path]:
    """A file system of its own; skips where this user may not mount one."""
    at.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


def start_elsewhere(data_dir: Path, file_size_max: int | None = None, **environment: str) -> str:
    """What a process of its own says that could not start a broker."""

    def limit() -> None:
        if file_size_max is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_max, file_size_max))

    done = subprocess.run(
        [sys.executable, "-c", START, str(data_dir)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 7, done.stdout + done.stderr
    return done.stdout


def linked_cache(at: Path) -> Path:
    """A cache like the real one, without its 45 MB."""
    for jar in kafka_classpath():
        link = at / jar.relative_to(cache_dir())
        link.parent.mkdir(parents=True)
        link.symlink_to(jar)
    return at


def test_a_port_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWSTREAM_KAFKA_TMP", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} .* is in use.*give another port"):
            EmbeddedKafka(port=port).start()
    assert list(tmp_path.iterdir()) == [], "a broker that did not start leaves nothing behind"


@pytest.mark.parametrize("port", [0, -1, 70_000])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=f"port {port} .*1 to 65535"):
        EmbeddedKafka(port=port)


def test_a_full_disk_is_reported_before_java_is_started(tmp_path: Path) -> None:
    with (
        tmpfs(tmp_path / "full", "size=256k") as full,
        pytest.raises(BrokerError, match=r"the disk under .*full is full .room for 0 MB.*another data_dir"),
    ):
        EmbeddedKafka(data_dir=full).start()


@pytest.mark.parametrize("files_max", [4, 5, 6, 9], ids=["config", "storage", "log", "in Kafka itself"])
def test_a_disk_that_fills_up_during_the_start_is_reported(tmp_path: Path, files_max: int) -> None:
    with tmpfs(tmp_path / "small", f"size=64m,nr_inodes={files_max}") as small, pytest.raises(BrokerError) as refused:
        EmbeddedKafka(data_dir=small, start_limit_s=30).start()
    assert "the disk under" in str(refused.value)
    assert " and 0 files)" in str(refused.value)
    assert "No space left on device" in str(refused.value)


def test_a_file_size_limit_is_reported_with_the_logs_end(tmp_path: Path) -> None:
    message = start_elsewhere(tmp_path, file_size_max=2 << 20)
    assert "a file-size limit of this process (ulimit -f)" in message
    assert "the last lines of its log" in message
    assert "File too large" in message


def test_a_directory_that_cannot_be_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(BrokerError, match=r"no directory .*Not a directory.*data_dir"):
        EmbeddedKafka(data_dir=tmp_path / "file" / "kafka").start()


def test_a_directory_that_may_not_be_written_is_reported(tmp_path: Path) -> None:
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(BrokerError, match=r"cannot write to its directory.*closed"):
            EmbeddedKafka(data_dir=tmp_path / "closed").start()
    else:  # root may write anywhere but on a file system that is read-only
        with (
            tmpfs(tmp_path / "closed", "ro") as closed,
            pytest.raises(BrokerError, match=r"cannot write to its directory.*Read-only file system.*closed"),
        ):
            EmbeddedKafka(data_dir=closed).start()


def test_a_broker_that_ends_by_itself_is_reported_with_its_own_words() -> None:
    with pytest.raises(BrokerError) as refused:
        EmbeddedKafka(properties={"log.cleaner.threads": "many"}).start()
    assert "it ended with exit code 1" in str(refused.value)
    assert "log.cleaner.threads" in str(refused.value)


def test_no_network_on_first_use_names_the_ways_out(tmp_path: Path) -> None:
    cache = tmp_path / "empty"
    message = start_elsewhere(tmp_path / "data", SHADOWSTREAM_CACHE=str(cache), **OFFLINE)
    assert f"is not in {cache}" in message
    assert "org.apache.kafka:" in message
    for way_out in ("Fill the cache once", "SHADOWSTREAM_BOOTSTRAP", "Docker"):
        assert way_out in message
    assert not list(cache.rglob("*.jar"))


def test_a_damaged_jar_is_not_run_but_fetched_again(tmp_path: Path) -> None:
    cache = linked_cache(tmp_path / "cache")
    damaged = sorted(cache.rglob("*.jar"))[0]
    damaged.unlink()
    damaged.write_bytes(b"half a jar")
    message = start_elsewhere(tmp_path / "data", SHADOWSTREAM_CACHE=str(cache), **OFFLINE)
    assert f"{damaged.stem.rpartition('-')[0]}:" in message
    assert not damaged.exists()


def test_a_full_cache_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = linked_cache(tmp_path / "cache")
    for name, proxy in OFFLINE.items():
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("SHADOWSTREAM_CACHE", str(cache))
    assert len(kafka_classpath()) == len(KAFKA_JARS)


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("SHADOWSTREAM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BrokerError, match=r"jar cache .* cannot be used.*SHADOWSTREAM_CACHE"):
        kafka_classpath()
