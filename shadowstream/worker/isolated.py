"""The candidate in a process of its own: its calls, its objects with state, and what follows when the process ends.

An input is known to end the process only when it was called alone. So `CandidateDown` leaves all inputs of a call
without an answer, `runner.candidate_attempts` calls them one by one from then on, and the process is started again for
them. A candidate that ends its process again and again, without an answer in between, rests longer each time.
"""

import contextlib
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from shadowstream.config import CandidateLimits, Config
from shadowstream.errors import CandidateDown, CandidateError, ConfigError
from shadowstream.logs import get_logger
from shadowstream.model_server.settings import settings_of
from shadowstream.runner.cpu_cost import Meter
from shadowstream.runner.outputs import BARE, CandidateObject, Output
from shadowstream.worker.candidate_worker import AWAY, CallBounds, Loading
from shadowstream.worker.confinement import Bounds
from shadowstream.worker.process import Ended, WorkerProcess
from shadowstream.worker.values import Room

log = get_logger("runner")
MODULE = "shadowstream.worker.candidate_worker"
BACK_OFF_S = (0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""By the number of ends without an answer in between. One bad input ends the process three times, two in a row six."""
AWAY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEP_S = 1.0
ANSWER_BYTES_MAX = 8_000_000  # of one call, after which it takes no further value: they take far more memory decoded
CALL_BYTES_MAX = 64_000_000  # of one batch with state; without, further values are called again
ROOM_BYTES = 2 * ANSWER_BYTES_MAX
_HEAD_BYTES = 1_000_000  # of costs and failures, beside the results
_COST_NS_MAX = 10**15  # 11 days of CPU time for one value: no sum of such costs is beyond the range of a record
SECRET_FILES = ("sasl.kerberos.keytab", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location")
"""Properties of the client that name a file with a secret. A file of authorities holds none, and a candidate with
`network` may trust the same ones."""
SECRET_FOLDERS = ("/run/secrets", "/var/run/secrets")


class CallNotes(NamedTuple):
    """Callbacks of the calls: `waiting` gets the seconds that an answer takes, `failed` a failure and its stack."""

    waiting: Callable[[float], None]
    failed: Callable[[str, str], None]


def bounds_of(config: Config, limits: CandidateLimits, network: Sequence[str] = ()) -> Bounds:
    """Return the bounds of a process. Files that the Kafka client takes secrets from are hidden from it."""
    named = [str(value) for name, value in config.kafka.client.items() if name in SECRET_FILES]
    hidden = [path for path in (*named, *SECRET_FOLDERS) if os.path.exists(path)]
    ports = sorted({int(address.rpartition(":")[2]) for address in network})
    sizes = limits.memory_bytes, limits.open_files, limits.file_bytes, limits.processes
    folders = tuple(map(os.path.abspath, hidden))
    return Bounds(*sizes, "", folders, tuple(ports), scratch_bytes=limits.scratch_bytes)


def module_path() -> list[str]:
    """Return where this process finds modules, the working folder first, as `python -m` does."""
    return ["", *(folder for folder in sys.path if folder)]


class IsolatedCandidate:
    """The candidate of a config, called in a process that starts when it is needed."""

    def __init__(self, config: Config, meter: Meter | None, notes: CallNotes) -> None:
        candidate, self._config, self._meter, self._notes = config.candidate, config, meter, notes
        self._timeout_s, http = config.call_limit_ms / 1000, candidate.http
        self._load_s = config.kafka.poll_interval_ms / 2000  # the group takes the partitions of a longer load away
        self._result_bytes_max = 2 * config.limits.value_bytes_max + 100_000
        measured, largest = meter is not None, self._result_bytes_max
        called = candidate.call or "", candidate.takes, candidate.state
        self._loading = Loading(*called, module_path(), measured, largest, candidate.pickle)
        cpu_ms = candidate.limits.cpu_ms or 4 * config.candidate_timeout_ms
        self._call_bounds = CallBounds(math.ceil(cpu_ms / 1000), STEP_S, ANSWER_BYTES_MAX)
        self._bounds = bounds_of(config, candidate.limits, candidate.network if http is None else [http.network])
        self._reads_secrets = http is not None and bool(http.header_files or http.tls)
        self._process: WorkerProcess | None = None
        self._generation = self._objects = self._ends = self._aways = 0
        self._rests_until = 0.0
        self._ending_snapshots: set[bytes] = set()
        self.enforced = ""

    def start(self) -> None:
        """Start the process. Raises `ConfigError` if the candidate cannot be loaded in it."""
        try:
            self._started()
        except CandidateDown as down:
            candidate = self._config.candidate
            raise ConfigError(f"candidate.{candidate.kind}: {candidate.shown}: its process {down}") from down

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def call(self, values: Sequence[Any]) -> list[Any]:
        """Call with values and return their results in order, maybe only the first ones. Raises `CandidateDown`."""
        if self._aways and (pause_s := self._rests_until - time.monotonic()) > 0:
            raise CandidateDown(f"{self._config.candidate.shown} is away", pause_s=pause_s)
        return self._called(self._started(), "", values)

    def make(self) -> CandidateObject:
        """Create an object with state. Raises `ConfigError` if its class cannot be created, as `load_stateful` does."""
        if (pause_s := self._rests_until - time.monotonic()) > 0:
            time.sleep(pause_s)  # at most 30 s: the partitions have no other work without their objects
        self._started()
        self._objects += 1
        made = RemoteObject(self, str(self._objects), self._generation)
        made.ask("make")
        return CandidateObject(made, made.call)

    def forget(self) -> None:
        """Drop all objects: their partitions were taken away, or go back to their commits."""
        self._generation += 1
        if self._process is not None and self._loading.state != "none":
            with contextlib.suppress(CandidateDown):
                self.ask(self._generation, ("forget",))

    def restore(self, generation: int, key: str, snapshot: bytes) -> None:
        """Restore an object. A snapshot that has ended the process is not tried again: it would for ever."""
        digest = hashlib.blake2b(snapshot, digest_size=16).digest()
        if digest in self._ending_snapshots:
            raise CandidateError("the process ended while it restored this snapshot")
        try:
            self.ask(generation, ("restore", key, snapshot))
        except CandidateDown as down:
            if down.absence is not None:
                self._ending_snapshots.add(digest)
            raise

    def ask(self, generation: int, request: tuple[Any, ...]) -> Any:
        """Return the answer to a request for an object. Raises `CandidateError` with the text that the call raised."""
        process = self._of_generation(generation)
        try:
            process.send(request, self._timeout_s)
            kind, value = process.receive(CALL_BYTES_MAX, self._timeout_s, self._notes.waiting)
        except (TimeoutError, Ended) as error:
            raise self._down(error) from error
        if kind != "returned":
            raise CandidateError(str(value))
        return value

    def call_object(self, key: str, generation: int, values: Sequence[Any]) -> list[Any]:
        try:
            return self._called(self._of_generation(generation), key, values)
        except CandidateDown as down:
            down.state_lost = True
            raise

    def _of_generation(self, generation: int) -> WorkerProcess:
        if self._process is None or generation != self._generation:
            down = CandidateDown("the candidate's process has ended, with the state of all partitions")
            down.state_lost = True
            raise down
        return self._process

    def _started(self) -> WorkerProcess:
        """Return the process, started if there is none. Raises `CandidateDown` while the candidate rests."""
        if self._process is not None:
            return self._process
        pause_s = self._rests_until - time.monotonic()
        if pause_s > 0:
            raise CandidateDown(f"rests for {pause_s:.1f} s: it has ended {self._ends} times in a row", pause_s=pause_s)
        try:
            loading = self._loading._replace(server=settings_of(self._config, self._result_bytes_max))
            names, shown = self._config.candidate.env, self._config.compare.shows_texts
            process = self._process = WorkerProcess(MODULE, self._bounds, names, shown)
            process.send(("load", loading), self._load_s)
            kind, text = process.receive(CALL_BYTES_MAX, self._load_s, self._notes.waiting)
        except ConfigError as error:
            if not self._generation:
                raise
            raise self._down(Ended(f"cannot be started again: {error}"), absence=False) from error
        except TimeoutError as error:
            late = Ended(f"was not loaded within {self._load_s:.0f} s, half of max.poll.interval.ms of kafka.client")
            raise self._down(late, absence=False) from error
        except Ended as error:
            raise self._down(error, absence=False) from error
        if kind != "loaded":
            self.close()
            if self._generation:  # it has been loaded before: a new start of the runner would report it as well
                raise self._down(Ended(f"cannot load it any more: {text}"), absence=False)
            raise ConfigError(str(text))
        self._generation += 1
        http = self._config.candidate.http
        enforced = process.enforced if http is None else f"{process.enforced}; {http.shown} is not restricted"
        if self.enforced != enforced:
            self.enforced = enforced
            log.info("candidate_isolated", pid=process.pid, enforced=self.enforced)
        return process

    def _called(self, process: WorkerProcess, key: str, values: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        entries: list[int] = []
        largest = self._result_bytes_max + _HEAD_BYTES
        room, kind = (CALL_BYTES_MAX if key else ROOM_BYTES) + 2 * largest, "some"
        containers = Room()
        # The first part takes one value's time at most, and the last value is called within `STEP_S` of it.
        ends = time.monotonic() + 2 * self._timeout_s + STEP_S
        try:
            process.send(("call", key, list(values), self._call_bounds), self._timeout_s)
            while kind == "some":
                limit_s = min(self._timeout_s, ends - time.monotonic())
                about, part = process.receive(min(room, largest), limit_s, self._notes.waiting, containers)
                kind, measured, failures = about
                if kind == AWAY and self._config.candidate.http is not None:
                    raise self._away(str(part))
                room -= process.received
                results += _checked(part)
                entries += [min(max(0, int(ns)), _COST_NS_MAX) for ns in measured]
                for failure, stack in failures:
                    self._notes.failed(str(failure), str(stack))
            wanted = len(results) if self._meter is not None else 0
            if len(results) > len(values) or (values and not results) or len(entries) != wanted:
                raise ValueError(f"it sent {len(results)} results for {len(values)} values")
        except (TimeoutError, Ended) as error:
            raise self._down(error) from error
        except (ArithmeticError, TypeError, ValueError) as error:
            raise self._down(Ended(f"sent an answer of another form: {error}")) from error
        if self._meter is not None:
            self._meter.add(entries)
        if self._aways:
            log.info("model_server_answers", server=self._config.candidate.shown, tries=self._aways)
        self._ends = self._aways = 0
        return results

    def _away(self, text: str) -> CandidateDown:
        """Note that the model server is away; return the error for the inputs of the call, which wait for it."""
        pause_s = AWAY_S[min(self._aways, len(AWAY_S) - 1)]
        self._aways += 1
        self._rests_until = time.monotonic() + pause_s
        server = self._config.candidate.shown
        log.warning("model_server_away", server=server, reason=text, tries=self._aways, next_try_in_s=pause_s)
        if self._reads_secrets:
            self.close()  # the next process gets the secrets that the files hold then
        return CandidateDown(f"{server} is away: {text}", pause_s=pause_s)

    def _down(self, error: Exception, *, absence: bool = True) -> CandidateDown:
        """End the process; return the error for the inputs of the call, none of which is answered."""
        self.close()
        pause_s = BACK_OFF_S[min(self._ends, len(BACK_OFF_S) - 1)]
        self._ends += 1
        self._rests_until = time.monotonic() + pause_s
        late = isinstance(error, TimeoutError)
        text = f"no answer within candidate.timeout_ms: {self._config.candidate_timeout_ms}" if late else str(error)
        log.warning("candidate_ended", reason=text, ends_in_a_row=self._ends, next_start_in_s=pause_s)
        return CandidateDown(text, absence=("timeout" if late else "crashed") if absence else None, pause_s=pause_s)


class RemoteObject:
    """An object of the candidate in its process, one for each input partition."""

    def __init__(self, candidate: IsolatedCandidate, key: str, generation: int) -> None:
        self._candidate, self._key, self._generation = candidate, key, generation

    def ask(self, kind: str, *arguments: Any) -> Any:
        return self._candidate.ask(self._generation, (kind, self._key, *arguments))

    def call(self, values: Sequence[Any]) -> list[Any]:
        return self._candidate.call_object(self._key, self._generation, values)

    def snapshot(self) -> Any:
        return self.ask("snapshot")

    def restore(self, snapshot: bytes) -> None:
        self._candidate.restore(self._generation, self._key, snapshot)


def _checked(results: Any) -> list[Any]:
    """Return the results of a part. Raises ValueError for anything that no call returns."""
    if not isinstance(results, list):
        raise ValueError("its results are no list")
    for result in results:
        outputs = isinstance(result, list) and all(isinstance(output, Output) for output in result)
        if type(result) not in BARE and not outputs and not isinstance(result, CandidateError):
            raise ValueError(f"a result is a {type(result).__name__}")
    return results
