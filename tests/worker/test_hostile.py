"""Candidates that do harm, in the real process: one input ends with the outcome, and the stream continues."""

import contextlib
import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Config
from shadowstream.errors import CandidateDown, ConfigError
from shadowstream.protocol.marks import Counters
from shadowstream.records import Batch, Partition
from shadowstream.runner.candidate_attempts import Attempts
from shadowstream.runner.step import RunnerStep
from shadowstream.worker.isolated import CallNotes, IsolatedCandidate
from tests.least_config import least_config
from tests.worker import hostile

IN, REVISION, BAD, INPUTS = Partition("in", 0), "ab" * 16, 3, 8
TIMEOUT_MS = 2_500
LIMITS = {"memory_bytes": 300_000_000, "file_bytes": 5_000_000, "scratch_bytes": 50_000_000}
CRASHED = "the process ended while the candidate worked on this input alone, twice: "
ENDS = {
    "exits": ("crashed", f"{CRASHED}ended with exit code 0"),
    "segfaults": ("crashed", f"{CRASHED}ended by SIGSEGV"),
    "kills_itself": ("crashed", f"{CRASHED}ended by SIGKILL"),
    "kills_the_runner": ("error", "PermissionError: [Errno 1] Operation not permitted"),
    "forks_for_ever": ("error", "PermissionError: [Errno 1] Operation not permitted"),
    "takes_all_memory": ("error", "MemoryError"),
    "loops_for_ever": ("timeout", f"no answer within candidate.timeout_ms: {TIMEOUT_MS}"),
    "prints": None,
    "prints_a_gigabyte": None,
    "closes_the_pipe": ("crashed", CRASHED),
    "forges_an_answer": ("crashed", CRASHED),
    "forges_an_infinite_cost": ("crashed", CRASHED),
    "connects": ("error", "PermissionError: [Errno 13] Permission denied"),
    "writes_a_file": ("error", "PermissionError: [Errno 13] Permission denied"),
    "fills_the_disk": ("error", "OSError: [Errno 27] File too large"),
    "fills_the_folder": ("crashed", f"{CRASHED}ended by the runner: more than 50000000 bytes in its scratch folder"),
    "claims_lists_in_lists": ("crashed", CRASHED),
    "sleeps": ("timeout", f"no answer within candidate.timeout_ms: {TIMEOUT_MS}"),
}


def config(call: str = "judge", **more: Any) -> Config:
    candidate = {"call": f"tests.worker.hostile:{call}", "limits": LIMITS}
    return least_config(candidate={**candidate, "partitioner": "input", **more})


@contextlib.contextmanager
def isolated(settings: Config) -> Iterator[IsolatedCandidate]:
    candidate = IsolatedCandidate(settings, None, CallNotes(lambda _: None, lambda *_: None))
    candidate.start()
    with contextlib.closing(candidate):
        yield candidate


def stream(candidate: IsolatedCandidate, settings: Config, orders: list[dict[str, Any]]) -> tuple[RunnerStep, int]:
    """The runner's step over these inputs, read again after each end of the process as the loop does; the reads."""
    attempts = Attempts("attempts", REVISION, None)
    encoders = {"out": Encoder(NoSchemas(), "out-value", "json")}
    step = RunnerStep(settings, REVISION, candidate.call, Decoder(NoSchemas()), encoders, {"out": 1}, attempts=attempts)
    step.assign(IN, 0, Counters(), -1)
    attempts.assign(IN, 0, -1, None)
    values = [json.dumps(order).encode() for order in orders]
    done = reads = 0
    while done < len(orders):
        reads += 1
        assert reads < 50, "it does not advance"
        rest = range(done, len(orders))
        batch = Batch(IN, rest, [0] * len(rest), [b"k"] * len(rest), values[done:])
        try:
            done += step.step(batch, 0)
        except CandidateDown as down:
            time.sleep(down.pause_s)
    return step, reads


@pytest.mark.parametrize("act", ENDS)
def test_harm_is_the_outcome_of_one_input_and_the_stream_goes_on(act: str) -> None:
    settings = config(timeout_ms=TIMEOUT_MS if act in ("loops_for_ever", "sleeps") else 60_000)
    orders = [{"n": n, "act": act} if n == BAD else {"n": n} for n in range(INPUTS)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with isolated(settings) as candidate:
        step, _ = stream(candidate, settings, orders)
    counters, end = step.inputs[IN].counters, ENDS[act]
    answered = [write for write in step.writes if write.topic == "shadow.t.out.out"]
    if end is None:
        assert (len(answered), dict(counters.absent)) == (INPUTS, {})
    else:
        absence, reason = end
        assert (len(answered), dict(counters.absent)) == (INPUTS - 1, {absence: 1})
        assert step.inputs[IN].absences[0]["offset"] == BAD
        assert step.inputs[IN].texts.known
        assert next(iter(step.inputs[IN].texts.known)).startswith(reason)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "the runner took memory for it"
    assert not Path(hostile.__file__).with_name("written_by_the_candidate").exists()


def test_no_secret_can_be_read_from_the_candidates_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_PASSWORD", "planted-secret")
    monkeypatch.setenv("PLANTED_MODEL", "shown-to-it")
    settings = config(env=["PLANTED_MODEL"])
    with isolated(settings) as candidate:
        step, _ = stream(candidate, settings, [{"n": 0, "act": "finds"}])
    (write,) = [write for write in step.writes if write.topic == "shadow.t.out.out"]
    found = (write.value or b"").decode()
    assert "shown-to-it" in found
    assert "planted-secret" not in found
    assert "PATH=" not in found.partition("/proc")[2], "the runner's environment was read"
    parents = os.listdir(f"/proc/{os.getpid()}/fd")
    assert found.count("PermissionError") >= 3 + len(parents) // 2, "the runner's memory and files are closed to it"


def test_a_candidate_that_fails_on_everything_rests_longer_each_time() -> None:
    settings = config(limits={"memory_bytes": 300_000_000})
    with isolated(settings) as candidate:
        pauses = []
        for _ in range(7):
            with pytest.raises(CandidateDown) as down:
                candidate.call([{"n": 0, "act": "exits"}])
            pauses.append(down.value.pause_s)
            if down.value.pause_s:
                break
        assert pauses == [0.0, 0.0, 0.0, 0.0, 0.5]
        with pytest.raises(CandidateDown, match=r"rests for 0\.\d s: it has ended 5 times in a row") as resting:
            candidate.call([{"n": 0}])
        assert resting.value.absence is None, "an input that was not called has no outcome"
        time.sleep(resting.value.pause_s)
        assert len(candidate.call([{"n": 0}])) == 1


def test_parts_without_end_are_a_timeout() -> None:
    with isolated(config(timeout_ms=400)) as candidate:
        began = time.monotonic()
        with pytest.raises(CandidateDown, match=r"no answer within candidate\.timeout_ms: 400") as down:
            candidate.call([{"n": 0, "act": "sends_no_last_part"}])
    assert (down.value.absence, time.monotonic() - began < 30) == ("timeout", True)


def test_a_module_that_cannot_be_loaded_is_a_config_error() -> None:
    settings = config("no_such_candidate")
    missing = r"candidate\.call: cannot load 'tests\.worker\.hostile:no_such_candidate'"
    with pytest.raises(ConfigError, match=missing), isolated(settings):
        pass


def test_files_of_the_clients_secrets_are_hidden_and_their_neighbours_are_not(tmp_path: Path) -> None:
    key, other, authorities = tmp_path / "client.key", tmp_path / "model.bin", tmp_path / "ca.pem"
    key.write_bytes(b"planted-secret")
    other.write_bytes(b"weights")
    authorities.write_bytes(b"certificates")
    client = {"security.protocol": "SSL", "ssl.key.location": str(key), "ssl.ca.location": str(authorities)}
    settings = config("reads").model_copy(update={"kafka": least_config(kafka={"client": client}).kafka})
    with isolated(settings) as candidate:
        read = candidate.call([str(key), str(other), str(authorities)])
    assert read == ["PermissionError", "b'weights'", "b'certificates'"]


def test_an_allowed_port_is_open_and_all_others_are_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as allowed, socket.create_server(("127.0.0.1", 0)) as other:
        addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in (allowed, other)]
        with isolated(config("dials", network=addresses[:1])) as candidate:
            assert candidate.call(addresses) == ["None", "PermissionError"]
            port = addresses[0].partition(":")[2]
        with isolated(config("dials_by_other_ways", network=addresses[:1])) as candidate:
            assert candidate.call(addresses[1:]) == ["PermissionError PermissionError PermissionError"]
            assert candidate.enforced == f"filesystem read-only, TCP to port {port} of any host; UDP not restricted"
