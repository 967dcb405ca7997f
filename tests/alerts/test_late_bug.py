"""The demo's late-bug with a webhook: its incident, the slice of it and the reject once each, whatever happens."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadowstream.demo import orchestrate
from shadowstream.demo.orchestrate import Stage
from tests.alerts.webhook import Webhook
from tests.pipeline.trial_fixture import ROOT
from tests.pipeline.written_records import await_that, records

DOWN_S = 30.0


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The log's whole lines so far."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines(keepends=True) if line.endswith("}\n")]


def failures(path: Path) -> int:
    return sum(line["event"] == "delivery_failed" for line in lines_of(path))


def start(staged: Stage, command: list[str], log: Path) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in staged.environment.items() if name != "SHADOWSTREAM_TRACEBACK"}
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with log.open("ab") as err:
        return subprocess.Popen(command, env={**kept, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL, stderr=err)


@pytest.mark.long
def test_late_bug_under_up_alerts_once_for_incident_slice_and_reject(tmp_path: Path) -> None:
    log = tmp_path / "up.err"
    with Webhook() as webhook, orchestrate.stage("late-bug", lambda _: None) as staged:
        document = yaml.safe_load(staged.config_path.read_text("utf-8"))
        staged.config_path.write_text(yaml.safe_dump({**document, "alerts": {"webhook": webhook.url}}), "utf-8")
        production = start(staged, staged.commands()["production"], tmp_path / "production.err")
        up = start(staged, [sys.executable, "-m", "shadowstream", "up", str(staged.config_path)], log)
        try:
            await_that("the first alert has found no webhook", lambda: failures(log) > 0, limit_s=300)
            began, before = time.monotonic(), failures(log)
            started = [line for line in lines_of(log) if line["event"] == "started" and line["role"] == "alerts"]
            os.kill(started[-1]["pid"], signal.SIGKILL)
            await_that("it has come back and tried again", lambda: failures(log) > before)
            time.sleep(max(0.0, began + DOWN_S - time.monotonic()))
            webhook.up()
            assert up.wait(timeout=300) == 0, log.read_text("utf-8")[-4_000:]
        finally:
            for process in (up, production):
                process.terminate()
                process.wait(15)
        opened = [event for event in records_of(staged, "drift") if event["event"] == "opened"]
        news = Counter((call["kind"], call["state"]) for call in webhook.calls)
        expected = [("incident", "opened"), ("incident", "updated"), ("reject", "opened")]
        assert news == Counter(expected), webhook.ids
        assert {call["incident"] for call in webhook.calls if call["kind"] == "incident"} == {opened[0]["incident"]}
        noted = [one["alert"] for one in records_of(staged, "deliveries") if one["target"] == "webhook"]
        assert sorted(noted) == sorted(webhook.ids)
        (incident,) = [call for call in webhook.calls if call["state"] == "opened" and call["kind"] == "incident"]
        (named,) = [call for call in webhook.calls if call["state"] == "updated"]
        assert re.fullmatch(
            r"[0-9.]+ % wrong since .* UTC \([0-9,]+ of [0-9,]+\) in carrier=UA, limit .*", named["text"]
        )
        assert incident["look"] == f"shadowstream explain {staged.config_path}"
        assert len({example["key"] for example in incident["examples"]}) == 3


def records_of(staged: Stage, kind: str) -> list[dict[str, Any]]:
    return records(staged.config.kafka.bootstrap, staged.config.plan.of(kind))
