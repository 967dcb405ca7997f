"""The Alertmanager's channel: open alerts of the running revision are repeated, and no others."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Reference
from standardwebhooks.webhooks import WebhookVerificationError

from shadowstream.alerts.channels import http
from shadowstream.alerts.channels.channel import Refused
from shadowstream.alerts.messages import Alert, Context, alert_of, completed
from shadowstream.config import Channel
from tests.alerts.alerts_trial import REVISION, drift
from tests.alerts.webhook import Webhook

CONTEXT = Context("t", "trial.yaml", 0)


@pytest.fixture
def receiver() -> Iterator[Webhook]:
    with Webhook(keyed=False) as one:
        one.up()
        yield one


def alert(event: str, n: int = 1, **more: Any) -> Alert:
    found = alert_of(CONTEXT, "drift", drift(event, f"mismatch-{n}", **more))
    assert found is not None
    return completed(found, (), {})


def channel(receiver: Webhook) -> http.AlertmanagerChannel:
    settings = Channel(alertmanager=f"http://127.0.0.1:{receiver.port}")
    return http.AlertmanagerChannel(settings, timeout_ms=2_000, revision=REVISION)


def posted(receiver: Webhook) -> list[list[str]]:
    """The incidents of each request."""
    return [[one["labels"]["incident"] for one in call] for call in receiver.calls]


def test_open_alerts_of_the_running_revision_are_repeated(receiver: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = channel(receiver)
    manager.settled(alert("opened", 1))
    manager.settled(alert("opened", 2))
    manager.settled(alert("opened", 3, revision="cd" * 32))
    asyncio.run(manager.refresh())
    assert posted(receiver) == [], "they were sent less than a minute ago"
    monkeypatch.setattr(http, "RESEND_S", 0.0)
    asyncio.run(manager.refresh())
    manager.settled(alert("closed", 1))
    asyncio.run(manager.refresh())
    assert posted(receiver) == [["mismatch-1", "mismatch-2"], ["mismatch-2"]]
    ends = [datetime.fromisoformat(one["endsAt"]).timestamp() for call in receiver.calls for one in call]
    assert min(ends) > time.time() + http.RESEND_S, "it ends after the next repetition"


def test_the_end_of_an_alert_bears_the_labels_of_its_begin(receiver: Webhook) -> None:
    manager = channel(receiver)
    begin = alert("opened", criterion="mismatch", subject="mismatch:tenant=eu")
    end = alert("closed", criterion="mismatch:score", subject="mismatch:tenant=eu")
    for one in (begin, end):
        asyncio.run(manager.send(one))
    first, last = (call[0] for call in receiver.calls)
    assert first["labels"] == last["labels"]
    assert datetime.fromisoformat(last["endsAt"]).timestamp() <= time.time()
    assert all(one["startsAt"] < one["endsAt"] for one in (first, last))


def test_a_repetition_that_is_refused_ends_nothing(receiver: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = channel(receiver)
    manager.settled(alert("opened"))
    monkeypatch.setattr(http, "RESEND_S", 0.0)
    receiver.status = 503
    asyncio.run(manager.refresh())
    with pytest.raises(Refused, match="status 503"):
        asyncio.run(manager.send(alert("opened")))
    receiver.status = 200
    asyncio.run(manager.refresh())
    assert posted(receiver) == [["mismatch-1"]]


@pytest.mark.parametrize("secret", ["whsec_" + "QUFB" * 8, "a secret of more than 16 characters"])
def test_a_signed_webhook_is_verified_by_the_reference_with_either_secret(receiver: Webhook, secret: str) -> None:
    former = "the secret of the year before"
    settings = Channel(webhook=f"http://127.0.0.1:{receiver.port}", secret=secret, previous_secret=former)
    asyncio.run(http.WebhookChannel(settings, 2_000).send(alert("opened", criterion="mismatch:items.a=b")))
    (body,), (headers,) = receiver.bodies, receiver.headers
    assert headers["webhook-id"] == headers["Idempotency-Key"].replace(".", "%2E")
    for one in (secret, former):
        Reference(one if one.startswith("whsec_") else one.encode()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Reference(b"another secret").verify(body, headers)


def test_a_webhook_without_a_secret_is_not_signed(receiver: Webhook) -> None:
    settings = Channel(webhook=f"http://127.0.0.1:{receiver.port}")
    asyncio.run(http.WebhookChannel(settings, 2_000).send(alert("opened")))
    assert not [name for name in receiver.headers[0] if "signature" in name.lower()]
