"""A trial on the secured broker: each role with a principal of its own, and exactly the printed rights."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AclBinding, AdminClient

from shadowstream.config import PRINCIPALS, Config, Principal
from shadowstream.kafka.client.consumers import admin
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.alerts.webhook import Webhook
from tests.pipeline.candidates import answer
from tests.pipeline.trial_fixture import Trial, order, time_ms
from tests.secured.granted_rights import bindings
from tests.secured.secured_kafka import SecuredKafka

ORDERS = 400
WRONG = """
from tests.pipeline.candidates import answer

def judge(value):
    output = answer(value)
    return {**output, "score": output["score"] + value["n"] % 2}
"""
ROLES: dict[str, Principal] = {
    "run": "runner",
    "join": "joiner",
    "judge": "judge",
    "labels": "labels",
    "alerts run": "alerts",
}
"""Principals by command."""


@dataclass(slots=True)
class SecuredTrial:
    """The trial, and the rights that `topics acls` prints for it."""

    secured: SecuredKafka
    trial: Trial
    rights: list[AclBinding]
    clients: dict[Principal, tuple[Config, AdminClient]] = field(default_factory=dict)

    def access(self, principal: Principal) -> tuple[Config, AdminClient]:
        """The config and a client with the credentials of one principal."""
        if principal not in self.clients:
            acting = self.trial.config.acting_as(principal)
            self.clients[principal] = acting, admin(acting.kafka)
        return self.clients[principal]

    def config(self, **changes: Any) -> None:
        self.trial.write_config(**self.settings(), **changes)

    def settings(self) -> dict[str, Any]:
        roles = {principal: {"client": self.secured.client(principal)} for principal in PRINCIPALS}
        return {"kafka": {"bootstrap": self.secured.login, "roles": roles}}

    def allow(self, rights: list[AclBinding] | None = None) -> None:
        self.secured.allow(self.rights if rights is None else rights)

    def apply(self) -> None:
        done = self.trial.ask("topics apply", "--json")
        assert done.returncode == 0, done.stderr


def secured_trial(secured: SecuredKafka, folder: Path, suffix: str, webhook: Webhook) -> SecuredTrial:
    """Make a trial with labels and alerts that is answered and labelled, and print its rights."""
    name = f"secured-{suffix}"
    labels = {"topic": f"{name}-truth", "id": "order", "path": "score", "label_path": "truth", "atol": 0.001}
    settings: dict[str, Any] = {"start": "earliest", "bounded": True, "alerts": {"webhook": webhook.url}}
    settings["labels"] = {**labels, "horizon_ms": 86_400_000, "store_dir": str(folder / "s")}
    trial = Trial(secured.bootstrap, name, folder, WRONG, settings=settings)
    trial.create_topics()
    create_topics(secured.bootstrap, {f"{name}-truth": 2})
    truths = ((n, json.dumps({"order": f"order-{n}", "truth": answer(order(n))["score"]})) for n in range(ORDERS))
    produce_all(secured.bootstrap, f"{name}-truth", [Write(t.encode(), None, n % 2, time_ms(n)) for n, t in truths])
    made = SecuredTrial(secured, trial.answered(ORDERS), [])
    made.config()
    given = [word for principal in PRINCIPALS for word in ("--principal", f"{principal}=User:{principal}")]
    options = trial.ask("topics acls", *given, "--json")
    assert options.returncode == 0, options.stderr
    lines = [line for one in json.loads(options.stdout)["principals"] for line in one["commands"]]
    made.rights = list(bindings(lines))
    return made
