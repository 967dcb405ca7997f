"""A trial of a model server, away at first: inputs wait, each ends once, and its secret is in no sink."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadowstream.testing.topics import read_all
from tests.model_server.servers import OIP, Server, scripted
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import Production, order
from tests.pipeline.written_records import await_that

ORDERS, REFUSED = 40, 17
TOKEN = "planted-token-of-the-server"
WRITES_WHERE_IT_MAY = """
try:
    open({file!r}, "a").write("imported where nothing is confined")
except OSError:
    pass

def same(production, shadow):
    return production == shadow
"""


def value(n: int) -> bytes:
    return json.dumps({**order(n), "act": "refuse" if n == REFUSED else None}).encode()


def doubled(order: bytes) -> bytes:
    return json.dumps({"y": 2 * json.loads(order)["amount"]}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    with scripted() as started:
        yield started


def test_inputs_wait_for_a_server_and_each_ends_once(
    make_trial: MakeTrial, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLANTED_TOKEN", TOKEN)
    imported = tmp_path / "imported"
    trial = make_trial("served", WRITES_WHERE_IT_MAY.format(file=str(imported)))
    inputs: list[dict[str, Any]] = [{**OIP["inputs"][0], "fields": ["amount"]}, OIP["inputs"][1]]
    http = {**OIP, "url": server.url, "inputs": inputs, "batch": 8, "concurrency": 2, "retries": 0}
    compare = {"rules": [{"path": "y", "call": "trial_candidate:same"}], "match_sample": 1}
    trial.write_config(candidate={"http": {**http, "headers": {"X-Token": "${PLANTED_TOKEN:-}"}}}, compare=compare)
    trial.write_orders(range(ORDERS), raw=value)
    Production(trial, say=doubled).work(ORDERS)
    server.set_away(True)
    process = trial.start("run")
    await_that("the pause is reported", lambda: "partition_paused" in trial.log_text("run"))
    await_that("marks bear the reason", lambda: any(one["texts"] for one in trial.records("progress")))
    assert "the runner pauses, and 40 inputs wait: model doubling, version 7" in trial.ask("explain").stdout
    server.set_away(False)
    trial.finish(process, "run")
    monkeypatch.delenv("PLANTED_TOKEN")
    trial.play("join")
    trial.play("judge")
    assert trial.outcomes() == Counter({"match": ORDERS - 1, "candidate_error": 1})
    (row,) = [row for row in trial.records("diff") if row["outcome"] == "candidate_error"]
    assert (row["key"], "HttpStatus422: " in str(row)) == (b"order-%d" % REFUSED, True)
    assert {"model_server_away", "model_server_answers"} <= {event["event"] for event in trial.logged("run")}
    assert server.state()["headers"]["X-Token"] == TOKEN
    verdict = trial.records("verdict")[-1]
    assert f"model doubling, version 7 at 127.0.0.1:{server.port} is not restricted" in verdict["candidate_isolation"]
    assert not imported.exists(), "a function of compare was imported in a role"
    sinks = [trial.log_text(role) for role in ("run", "join", "judge")] + [trial.ask("config show").stdout]
    sinks += [str(read_all(trial.bootstrap, trial.topic(kind))) for kind in ("diff", "verdict", "progress", "starts")]
    assert not [sink for sink in sinks if TOKEN in sink]
