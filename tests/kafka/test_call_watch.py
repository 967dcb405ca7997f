"""What health says while the candidate works on one input for long, and what happens when it takes too long."""

import contextlib
import urllib.request

from shadowstream.health import RoleHealth
from shadowstream.kafka.call_watch import EXIT_TIMEOUT, CallWatch
from shadowstream.records import Partition
from shadowstream.runner.current_call import CallTracker, CurrentCall
from shadowstream.testing.ports import free_port
from shadowstream.web.probes import serve
from tests.least_config import least_config
from tests.pipeline.written_records import await_that

TIMEOUT_MS = 2_000


def test_health_names_the_input_of_a_long_call_until_its_end() -> None:
    config = least_config(
        candidate={"call": "m:f", "isolation": "in-process", "trusted": True, "timeout_ms": TIMEOUT_MS}
    )
    calls, watch, listen = CallTracker(), RoleHealth("t", "runner"), f"127.0.0.1:{free_port()}"
    stuck: list[tuple[str, str]] = []
    ended: list[int] = []

    def timed_out(asked: CurrentCall, why: str) -> None:
        stuck.append((str(asked), why))

    def health() -> str:
        with urllib.request.urlopen(f"http://{listen}/healthz", timeout=5) as answer:
            text: str = answer.read().decode()
        return text.strip()

    def await_health(begin: str) -> None:
        await_that(begin, lambda: health().startswith(begin), 5)

    watch.turned()
    server = serve(listen, watch)
    try:
        with contextlib.closing(CallWatch(calls, config, watch, timed_out, ended.append)):
            assert health() == "ok"
            calls.begin(Partition("in", 1), [7])
            await_health("ok: the candidate's call for in/1 offset 7 has taken 1 s (candidate.timeout_ms: 2000)")
            calls.end()
            await_health("ok")
            assert (stuck, ended) == ([], [])
            calls.begin(Partition("in", 1), [8])
            await_health("ok: the candidate's call for in/1 offset 8 takes too long; the process ends")
            await_that("the process is ended after it has been named", lambda: bool(ended))
        assert stuck == [("in/1 offset 8", "no answer within candidate.timeout_ms: 2000")]
        assert ended == [EXIT_TIMEOUT]
    finally:
        server.shutdown()
        server.server_close()
