"""A model server asked by the candidate's process: outcomes, pauses, secrets, and what the kernel enforces there."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.errors import CandidateDown, CandidateError, ConfigError
from shadowstream.testing.ports import free_port
from shadowstream.worker.isolated import CallNotes, IsolatedCandidate
from tests.model_server.servers import OIP, Server, scripted
from tests.model_server.test_served_model import config, records, shown
from tests.secured.certificates import Authority


@contextlib.contextmanager
def isolated(settings: Config) -> Iterator[IsolatedCandidate]:
    candidate = IsolatedCandidate(settings, None, CallNotes(lambda _: None, lambda *_: None))
    candidate.start()
    with contextlib.closing(candidate):
        yield candidate


def answered(candidate: IsolatedCandidate, values: list[Any]) -> list[Any]:
    """Call until all values are answered, with the pauses that the loop makes."""
    results: list[Any] = []
    while len(results) < len(values):
        try:
            results += candidate.call(values[len(results) :])
        except CandidateDown as down:
            if down.absence is not None:
                raise
            time.sleep(down.pause_s)
    return [one if isinstance(one, dict) else shown(one) for one in results]


def test_outcomes_and_the_pause_of_a_server_that_is_away(server: Server) -> None:
    with isolated(config(server.url, timeout_ms=500, **OIP, batch=3, retries=0)) as candidate:
        found = answered(candidate, records(["", "refuse", "slow", ""]))
        assert found[0::3] == [{"y": 0.0}, {"y": 6.0}]
        assert found[1].startswith("error HttpStatus422: ")
        assert found[2] == "timeout NoAnswer: none within candidate.timeout_ms: 500"
        server.set_away(True)
        pauses = []
        for _ in range(2):
            with pytest.raises(
                CandidateDown, match=f"model doubling, version 7 at 127.0.0.1:{server.port} is away"
            ) as e:
                candidate.call(records([""]))
            assert (e.value.absence, e.value.state_lost) == (None, False)
            pauses.append(e.value.pause_s)
            time.sleep(e.value.pause_s)
        assert pauses == [0.5, 1.0]
        server.set_away(False)
        assert answered(candidate, records(["", ""])) == [{"y": 0.0}, {"y": 2.0}]
        port = rf"TCP to port {server.port} of any host; UDP not restricted"
        assert re.search(
            rf"({port}|not restricted to TCP port {server.port}).*; model doubling.* is not restricted",
            candidate.enforced,
        )


def test_a_client_certificate_and_a_header_that_changes(tmp_path: Path) -> None:
    authority, token = Authority(tmp_path), tmp_path / "token"
    own, client = authority.issue("127.0.0.1"), authority.issue("runner")
    token.write_text("Bearer first\n")
    files = [str(own.certificate), str(own.key), str(authority.file)]
    tls = {"ca_file": str(authority.file), "cert_file": str(client.certificate), "key_file": str(client.key)}
    with scripted(files) as server:
        url = f"https://127.0.0.1:{server.port}"
        settings = config(url, **OIP, retries=0, tls=tls, header_files={"Authorization": str(token)})
        with isolated(settings) as candidate:
            assert answered(candidate, records([""])) == [{"y": 0.0}]
            token.write_text("Bearer second\n")
            with pytest.raises(CandidateDown, match="status 401"):
                candidate.call(records(["denied"]))
            assert answered(candidate, [{"x": 1.0, "act": "Bearer second"}]) == [{"y": 2.0}]
        untrusted = config(url, **OIP, retries=0, tls={"cert_file": tls["cert_file"], "key_file": tls["key_file"]})
        with isolated(untrusted) as candidate, pytest.raises(CandidateDown, match="CERTIFICATE_VERIFY_FAILED"):
            candidate.call(records([""]))


@pytest.mark.parametrize(
    ("http", "text"),
    [
        ({"headers": {"Authorization": ""}}, "headers: Authorization is empty here"),
        ({"header_files": {"Authorization": "absent"}}, "header_files: Authorization: absent cannot be read"),
        ({"tls": {"ca_file": __file__}}, "tls: the files are unusable"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_at_the_start(http: dict[str, Any], text: str) -> None:
    settings = config(f"https://127.0.0.1:{free_port()}", **OIP, **http)
    with pytest.raises(ConfigError, match=re.escape(f"candidate.http.{text}")), isolated(settings):
        pass


def test_a_failure_keeps_its_absence_on_the_way_back() -> None:
    from shadowstream.worker.values import packed, unpacked

    for absence, sent in (("timeout", "timeout"), ("error", "error"), ("sampled_out", "error")):
        back = unpacked(packed(CandidateError("NoAnswer: x", absence=absence)))
        assert (str(back), back.absence) == ("NoAnswer: x", sent)
