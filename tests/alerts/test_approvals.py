"""A promote that waits for approval is news, and so is its end; once each, also after a restart."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shadowstream.alerts.role import AlertsRole
from shadowstream.codecs import own
from shadowstream.judge.verdict.approval import approval_of
from tests.alerts.alerts_trial import REVISION, verdict
from tests.alerts.test_isolation import RecordedDelivery, taken, until, webhook
from tests.alerts.webhook import Webhook

__all__ = ["webhook"]


def test_a_promote_that_waits_is_sent_once_and_so_is_its_end(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    by = {"by": "ana", "reason": "fine", "at_ms": 9}
    approvals: list[tuple[str, int | None, dict[str, Any] | None]] = [
        *(("promote", 5, None) for _ in range(3)),
        ("not_yet", None, None),
        ("promote", 8, None),
        *(("promote", 8, by | {"promote_since_ms": 8}) for _ in range(2)),
    ]
    records = [verdict(one, approval=approval_of(since, given)) for one, since, given in approvals]
    noted, offsets = RecordedDelivery(), itertools.count()

    def give(*some: dict[str, Any]) -> Callable[[AlertsRole], Awaitable[None]]:
        async def main(role: AlertsRole) -> None:
            for record in some:
                await role.take(own.encode("verdict", record), f"shadow.t.verdict/0/{next(offsets)}")
                await until(lambda: not role.deliverer.open)

        return main

    taken(give(*records[:2]), webhook.url, monkeypatch, noted)
    taken(give(*records[2:]), webhook.url, monkeypatch, noted)  # a restarted role knows what was delivered
    opened = [("approval", "opened", f"approval/{REVISION[:16]}/{since}") for since in (5, 8)]
    ended = [("approval", "resolved", f"resolved/{id_}") for _, _, id_ in opened]
    expected = [opened[0], ended[0], opened[1], ended[1]]
    assert [(call["kind"], call["state"], call["id"]) for call in webhook.calls] == expected
    assert webhook.calls[0]["approve"].startswith(f"shadowstream approve trial.yaml --revision {REVISION[:16]} --by")
    assert "waits for approval" in webhook.calls[0]["body"]
    assert webhook.calls[-1]["text"] == "approved by ana: fine"


def test_trials_without_approval_send_nothing_of_a_promote(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(role: AlertsRole) -> None:
        await role.take(own.encode("verdict", verdict("promote")), "shadow.t.verdict/0/0")
        await until(lambda: not role.deliverer.open)

    taken(main, webhook.url, monkeypatch)
    assert webhook.calls == []
