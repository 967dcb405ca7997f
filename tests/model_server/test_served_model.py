"""Requests to a real process: good records are answered, and each failure is that of one record or of the server."""

import contextlib
import gc
import resource
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.errors import CandidateError
from shadowstream.model_server import served_model
from shadowstream.model_server.failures import ServerAway
from shadowstream.model_server.settings import settings_of
from shadowstream.testing.ports import free_port
from tests.least_config import least_config
from tests.model_server.servers import JSON, OIP, Server

RESULT_BYTES_MAX = 100_000


def config(url: str, timeout_ms: int = 5_000, **http: Any) -> Config:
    candidate = {"http": {"url": url, **http}, "version": "7", "timeout_ms": timeout_ms}
    return least_config(candidate=candidate)


def called(settings: Config, values: Sequence[Any], step_s: float = 60.0) -> list[Any]:
    """Call until all values are answered, as the runner does; the results, with the only output of each unwrapped."""
    results: list[Any] = []
    ends = 0.0
    found = settings_of(settings, RESULT_BYTES_MAX)
    assert found is not None
    call = served_model.served(found, lambda _: None, lambda: time.monotonic() >= ends)
    while len(results) < len(values):
        ends = time.monotonic() + step_s
        answered = call(values[len(results) :])
        assert answered
        results += answered
    return [shown(result) for result in results]


def shown(result: Any) -> Any:
    if isinstance(result, CandidateError):
        return f"{result.absence} {result}"
    return [output.value for output in result] if isinstance(result, list) and len(result) != 1 else result[0].value


def records(acts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"x": float(n), "act": act} for n, act in enumerate(acts)]


@pytest.mark.parametrize("form", [OIP, {**OIP, "parameters": {"nested": True}}, JSON], ids=["oip", "nested", "json"])
def test_batches_are_answered_in_order_and_at_once(server: Server, form: dict[str, Any]) -> None:
    before = len(server.state()["batches"])
    values = records(["waits"] * 8 + [""] * 2)
    assert called(config(server.url, **form, batch=4, concurrency=2), values) == [{"y": 2.0 * n} for n in range(10)]
    state = server.state()
    assert sorted(state["batches"][before:]) == [2, 4, 4]
    assert state["at_once"] == 2


def test_a_single_json_value_is_answered_by_a_value_or_nothing(server: Server) -> None:
    assert called(config(server.url, **JSON), records(["", "silent", ""])) == [{"y": 0.0}, [], {"y": 4.0}]


KINDS = {
    "refuse": "error HttpStatus422: {\"error\": \"refuse 2",
    "breaks": "error HttpStatus500: ",
    "garbage": "error AnswerUnusable: not JSON",
    "no outputs": "error AnswerUnusable: the answer has no list of outputs",
    "cut": "error ConnectionLost: ",
    "closes": "error ConnectionLost: ",
    "announces much": "error AnswerUnusable: 9000000000 bytes; at most 100000 are read",
    "compressed": "error AnswerUnusable: compressed (gzip)",
    "endless": "error AnswerUnusable: longer than 100000 bytes",
    "busy": "error HttpStatus503: ",
    "slow": "timeout NoAnswer: none within candidate.timeout_ms: 1000",
    "drips": "timeout NoAnswer: none within candidate.timeout_ms: 1000",
}  # fmt: skip


@pytest.mark.parametrize("act", KINDS)
def test_one_record_fails_and_its_batch_is_answered(server: Server, act: str) -> None:
    settings = config(server.url, timeout_ms=1_000 if act in ("slow", "drips") else 5_000, **OIP, batch=4, retries=1)
    found = called(settings, records(["", "", act, "", ""]), step_s=0.5)
    assert found[2].startswith(KINDS[act])
    assert len(found[2]) < 250
    assert [*found[:2], *found[3:]] == [{"y": 2.0 * n} for n in (0, 1, 3, 4)]


def test_a_value_that_does_not_fit_fails_before_it_is_sent(server: Server) -> None:
    before = len(server.state()["batches"])
    values: list[Any] = [{"x": 1}, {"x": "1"}, {"x": None}, {}, "x", {"x": float("nan")}]
    assert called(config(server.url, **OIP, batch=6), values) == [
        {"y": 2.0},
        "error InputUnusable: x: '1' is no FP64",
        "error InputUnusable: x is null",
        "error InputUnusable: x is absent",
        "error InputUnusable: x is absent",
        "error InputUnusable: x: nan is no FP64",
    ]
    (text,) = called(config(server.url, **JSON), [b"\xff"])
    assert text.startswith("error InputUnusable: ")
    assert server.state()["batches"][before:] == [1]


@pytest.mark.parametrize("act", ["busy twice", "cut twice"])
def test_what_may_pass_is_tried_again(server: Server, act: str) -> None:
    assert called(config(server.url, **OIP, retries=3), records([act])) == [{"y": 0.0}]


def test_what_does_not_pass_is_not_tried_again(server: Server) -> None:
    before = len(server.state()["batches"])
    called(config(server.url, **OIP, retries=3), records(["refuse"]))
    assert server.state()["batches"][before:] == [1]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("redirects", "status 307: a redirect is not followed"),
        ("denied", "status 401: it refuses the credentials"),
    ],
)
def test_what_concerns_every_record_is_no_records_failure(server: Server, act: str, reason: str) -> None:
    with pytest.raises(ServerAway, match=reason):
        called(config(server.url, **OIP), records([act]))


@contextlib.contextmanager
def taken_away(server: Server) -> Iterator[None]:
    server.set_away(True)
    try:
        yield
    finally:
        server.set_away(False)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({**OIP, "batch": 3}, "HttpStatus503; not ready: status 503 of /v2/models/doubling/versions/7/ready"),
        ({**JSON, "ready": "/ready"}, "HttpStatus503; not ready: status 503 of /ready"),
        (JSON, "HttpStatus503; candidate.http.ready names no path"),
    ],
)
def test_a_server_that_is_not_ready_is_away(server: Server, form: dict[str, Any], reason: str) -> None:
    with taken_away(server), pytest.raises(ServerAway, match=reason):
        called(config(server.url, **form, retries=1), records(["", "", ""]))


def test_a_model_that_is_not_loaded_is_away(server: Server) -> None:
    with pytest.raises(ServerAway, match="HttpStatus404; not ready: status 404 of /v2/models/absent/versions/7/ready"):
        called(config(server.url, **{**OIP, "model": "absent"}), records([""]))
    (found,) = called(config(f"{server.url}/score", **JSON), records(["refuse"]))  # whether it is ready is unknown
    assert found.startswith("error HttpStatus422: ")


def test_a_server_that_goes_away_keeps_its_first_answers(server: Server) -> None:
    found = settings_of(config(server.url, **OIP), RESULT_BYTES_MAX)
    assert found is not None
    call = served_model.served(found, lambda _: None, lambda: False)
    assert [shown(result) for result in call(records(["", "denied", ""]))] == [{"y": 0.0}]


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_no_connection_is_a_server_that_is_away(host: str) -> None:
    with pytest.raises(ServerAway, match=r"no connection: .*(refused|resolve)"):
        called(config(f"http://{host}:{free_port()}", **OIP, retries=1), records([""]))


def test_a_proxy_of_the_environment_is_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert called(config(server.url, **OIP), records([""])) == [{"y": 0.0}]


def test_an_answer_beyond_its_bound_takes_no_memory(server: Server) -> None:
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    called(config(server.url, **OIP, retries=0), records(["endless"] * 20))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
