"""Services of apprise: what cannot be used is an error of the config, and no failure shows an address."""

import asyncio
import sys

import pytest

from shadowstream.alerts.channels.channel import Refused
from shadowstream.alerts.channels.services import AppriseChannel, service_of
from shadowstream.alerts.messages import Context, alert_of, completed
from shadowstream.config import Channel
from shadowstream.errors import ConfigError
from shadowstream.testing.ports import free_port
from tests.alerts.alerts_trial import drift
from tests.alerts.receivers import Mailbox


def test_without_apprise_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match="chat needs apprise of the extra `notify`, which is not installed here"):
        service_of(Channel(name="chat", apprise="json://localhost"))


@pytest.mark.parametrize("url", ["nonsense://tok", "slack://tok"])
def test_a_url_that_apprise_cannot_use_is_an_error_that_hides_it(url: str) -> None:
    with pytest.raises(ConfigError, match="chat: apprise cannot use the URL") as caught:
        service_of(Channel(name="chat", apprise=url))
    assert "tok" not in str(caught.value)


def test_a_service_that_is_away_refuses_and_its_address_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    channel = AppriseChannel(Channel(name="chat", apprise=f"json://me:tok@127.0.0.1:{free_port()}/tok?cto=1&rto=1"))
    found = alert_of(Context("t", "trial.yaml", 0), "drift", drift("opened", "mismatch-1"))
    assert found is not None
    with caplog.at_level("DEBUG"), pytest.raises(Refused) as caught:
        asyncio.run(channel.send(completed(found, (), {})))
    assert "tok" not in str(caught.value) + caplog.text


def test_markup_in_a_records_value_is_text_in_a_mail() -> None:
    found = alert_of(Context("t", "trial.yaml", 0), "drift", drift("opened", "mismatch-1"))
    assert found is not None
    alert = found._replace(payload={**found.payload, "body": '<a href="https://example.org">look</a>\n  b: 1 & 2'})
    with Mailbox() as mailbox:
        asyncio.run(AppriseChannel(Channel(name="mail", apprise=mailbox.url)).send(alert))
        (mail,) = mailbox.mails
    for part in mail.walk():
        if part.get_content_type() == "text/html":
            assert "<a " not in bytes(part.get_payload(decode=True)).decode()  # type: ignore[arg-type]  # bytes here
    assert [text.splitlines() for text in mailbox.texts()] == [alert.payload["body"].splitlines()]
