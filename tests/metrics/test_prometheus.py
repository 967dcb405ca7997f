"""A real Prometheus and Alertmanager beside a real trial: a planted drift becomes one alert with its words."""

import json
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from tests.metrics.metrics_run import LATE, ORDERS, ROLES
from tests.metrics.scraping import Probed
from tests.metrics.test_dashboard import CONTENT, filled
from tests.monitoring.__main__ import FILES
from tests.monitoring.rules import RULES
from tests.pipeline.candidates import SAME
from tests.pipeline.trial_fixture import UNBOUNDED, Production, Trial
from tests.pipeline.written_records import await_that

PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
DRIFTS = (
    SAME
    + f"""

def drifts(order):
    score = judge(order)
    if order["n"] >= {LATE}:
        score["score"] += 0.25
    return score
"""
)
WITHOUT_DATA = {
    *("Failures of the candidate", "Records that were not compared"),
    *("Alerts by result", "Alerts that wait for their channel"),
    *("Outcomes that a late partner corrected", "Pairs that differ across two schemas"),
}
"""Panels of what this trial does not have."""


@dataclass(slots=True)
class Receiver:
    """A webhook on the loopback; `bodies` are those of its calls."""

    server: ThreadingHTTPServer
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def fired(self) -> dict[str, dict[str, Any]]:
        """The alerts that have fired, by name."""
        alerts = [one for body in self.bodies for one in body["alerts"] if one["status"] == "firing"]
        return {one["labels"]["alertname"]: one for one in alerts}


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: pytest shows the bodies."""

    found = Receiver(ThreadingHTTPServer(("127.0.0.1", 0), Taker))
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()


@contextmanager
def program(folder: Path, *words: str) -> Iterator[None]:
    """Run a program beside the block, with its output in a file of the folder."""
    with (folder / f"{Path(words[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def write(folder: Path, name: str, content: dict[str, Any]) -> str:
    (folder / name).write_text(yaml.safe_dump(content), "utf-8")
    return str(folder / name)


@contextmanager
def watching(folder: Path, targets: list[str], webhook: str) -> Iterator[str]:
    """Prometheus with the rules, and an Alertmanager that calls the webhook; gives Prometheus' address."""
    assert PROMETHEUS is not None
    assert ALERTMANAGER is not None
    watched, alerting = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    route = {"receiver": "test", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    receivers = [{"name": "test", "webhook_configs": [{"url": webhook}]}]
    alertmanager = write(folder, "alertmanager.yml", {"route": route, "receivers": receivers})
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FILES / "rules.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alerting]}]}]},
        "scrape_configs": [{"job_name": "shadowstream", "static_configs": [{"targets": targets}]}],
    }
    storage = f"--storage.path={folder / 'alertmanager'}"
    sent = (ALERTMANAGER, f"--config.file={alertmanager}", storage, f"--web.listen-address={alerting}")
    stored = (f"--storage.tsdb.path={folder / 'prometheus'}", f"--web.listen-address={watched}")
    with (
        program(folder, *sent, "--cluster.listen-address="),
        program(folder, PROMETHEUS, f"--config.file={write(folder, 'prometheus.yml', config)}", *stored),
    ):
        yield f"http://{watched}/api/v1"


def ask(api: str, path: str, **parameters: str) -> Any:
    with urllib.request.urlopen(f"{api}/{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
        return json.load(answer)["data"]


def drifting(kafka: Broker, folder: Path) -> Trial:
    """A trial whose candidate gives other scores from `LATE` on; production has answered all orders."""
    name = f"rules-{uuid4().hex[:8]}"
    trial = Trial(kafka.bootstrap, name, folder, DRIFTS, "trial_candidate:drifts", settings=UNBOUNDED)
    trial.write_config(compare=trial.document()["compare"] | {"latency": {"over_ms": 1_000}})
    trial.create_topics()
    trial.write_orders(range(ORDERS))
    Production(trial).work(ORDERS)
    return trial


@pytest.mark.long
@pytest.mark.skipif(
    PROMETHEUS is None or ALERTMANAGER is None,
    reason="no Prometheus or Alertmanager here: Debian's packages prometheus and prometheus-alertmanager have them",
)
def test_a_planted_drift_becomes_an_alert_with_its_words(kafka: Broker, tmp_path: Path) -> None:
    trial = drifting(kafka, tmp_path)
    probes = {role: Probed(free_port()) for role in ROLES}
    with ExitStack() as beside:
        taken = beside.enter_context(receiver())
        targets = [probe.listen for probe in probes.values()]
        api = beside.enter_context(watching(tmp_path, targets, f"http://127.0.0.1:{taken.server.server_port}/"))
        for role, command in ROLES.items():
            process = trial.start(command, "--listen", probes[role].listen)
            beside.callback(process.communicate)
            beside.callback(process.terminate)
        names = {"ShadowstreamRejected", "ShadowstreamIncidentOpen"}
        await_that(f"the webhook gets {names}", lambda: taken.fired().keys() >= names, 180)
        fired = taken.fired()
        assert fired.keys() == names
        rejected = fired["ShadowstreamRejected"]
        assert rejected["labels"]["shadow"] == trial.name
        assert rejected["labels"]["instance"] == probes["judge"].listen
        assert rejected["annotations"]["summary"] == f"Trial {trial.name} rejects the candidate"
        assert rejected["annotations"]["description"].endswith("Next: `shadowstream explain trial.yaml`")
        [group] = ask(api, "rules")["groups"]
        assert [(rule["name"], rule["health"]) for rule in group["rules"]] == [(rule.name, "ok") for rule in RULES]
        # A rate needs two scrapes of a series.
        await_that("the panels have data", lambda: panels_without_data(api, trial.name) == WITHOUT_DATA)


def panels_without_data(api: str, trial: str) -> set[str]:
    """The titles of the dashboard's panels that have a query without an answer."""
    return {
        panel["title"]
        for panel in CONTENT["panels"]
        for target in panel.get("targets", ())
        if not ask(api, "query", query=filled(target["expr"], trial))["result"]
    }
