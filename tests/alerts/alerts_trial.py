"""A trial whose judge is the test: it writes drift and verdict in transactions, and the alerts role is a process."""

import re
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from shadowstream.codecs import own
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.testing.ports import free_port
from tests.alerts.webhook import Webhook
from tests.cli import verdict_topic
from tests.pipeline.trial_fixture import Trial
from tests.pipeline.written_records import await_that

REVISION = "ab" * 32


def drift(event: str, incident: str, **more: Any) -> dict[str, Any]:
    """A drift record."""
    window = {"window_start_ms": 1_372_651_200_000, "window_end_ms": 1_372_654_800_000}
    change = {"before": 0.001, "after": 0.25, "width": 40, "estimation": 0.5}
    what = {"criterion": "mismatch", "detector": "adwin", "direction": "up"}
    reason = "mismatch went up from 0.001 to 0.25"
    record = {"event": event, "incident": incident, "revision": REVISION, "reason": reason}
    return record | what | window | change | more


def verdict(decision: str, **more: Any) -> dict[str, Any]:
    """A verdict record."""
    criterion = {"rate": "mismatch", "unit": "pairs", "limit": 0.01, "critical": True, "n": 160, "s": 40}
    criterion |= {"estimate": 0.25, "lower": 0.2, "upper": 0.3, "log_e_below": -50.0, "log_e_above": 50.0}
    criterion |= {"log_promote_at": 4.0, "log_reject_at": 4.0, "shown_good": False, "shown_bad": True}
    criterion |= {"least_caught": None, "units_needed": None}
    own_fields = {"name": "t", "reasons": ["mismatch: 40 of 160 lie over the limit."], "from_ms": None, "to_ms": None}
    counts = {"criteria": [criterion], "outcomes": {"match": 120, "mismatch": 40}}
    return verdict_topic.verdict(decision, REVISION, 1) | own_fields | counts | more


@dataclass
class AlertsTrial:
    """One trial, its webhook, and the alerts role."""

    bootstrap: str
    name: str
    folder: Path
    webhook: Webhook
    bounded: bool = False
    channels: list[dict[str, Any]] = field(default_factory=list)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings: dict[str, Any] = {"start": "earliest", "bounded": self.bounded, "alerts": {}}
        settings["alerts"] = {"webhook": self.webhook.url, "channels": self.channels}
        self.trial = Trial(self.bootstrap, self.name, self.folder, settings=settings)
        self.port = free_port()

    def judge(self, *records: dict[str, Any], abort: bool = False) -> None:
        """Write what a judge would, in one transaction: a record with an event is drift, any other a verdict."""
        writer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": self.trial.topic("judge.0")})
        writer.init_transactions(30)
        writer.begin_transaction()
        for record in records:
            kind = "drift" if "event" in record else "verdict"
            writer.produce(self.trial.topic(kind), own.encode(kind, record), record["revision"].encode(), 0)
        assert writer.flush(30) == 0
        if abort:
            writer.abort_transaction(30)
        else:
            writer.commit_transaction(30)

    def write(self, kind: str, records: list[dict[str, Any]]) -> None:
        """Write records to a topic of the trial."""
        writer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True})
        for record in records:
            writer.produce(self.trial.topic(kind), own.encode(kind, record), record.get("pair_id", ""), 0)
        assert writer.flush(30) == 0

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`shadowstream alerts run`, listening at `port`."""
        process = self.trial.start("alerts run", "--listen", f"127.0.0.1:{self.port}", "--json", *words)
        self.running.append(process)
        return process

    def ready(self) -> subprocess.Popen[str]:
        """The role once it is ready, its topics made."""
        self.trial.create_topics()
        process = self.start()
        self.await_ready()
        return process

    def refuse(self) -> None:
        """Let the webhook refuse what it is sent from now on."""
        self.webhook.status = 503
        self.webhook.up()

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of one of the role's own pages; 0 while it does not listen."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def await_ready(self) -> None:
        await_that("the alerts role is ready", lambda: self.ask("readyz")[0] == 200)

    def deliveries(self, result: str, target: str = "webhook") -> float:
        """`deliveries_total` of a channel in the running process."""
        labels = rf'[^}}]*result="{result}"[^}}]*target="{target}"[^}}]*'
        found = re.search(rf"shadowstream_deliveries_total{{{labels}}} (\S+)", self.ask("metrics")[1])
        return float(found[1]) if found else 0.0

    def await_failures(self, least: int) -> None:
        await_that(f"{least} failed deliveries", lambda: self.deliveries("failed") >= least)

    def committed(self, kind: str) -> int:
        """The offset that the role's group has committed for a topic, 0 where none is."""
        places = offsets.places({self.trial.topic(kind): 1})
        return sum(offsets.committed(admin(self.trial.config.kafka), self.trial.topic("alerts"), places).values())

    def close(self) -> None:
        """End what still runs."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
