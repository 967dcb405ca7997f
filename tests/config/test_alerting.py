"""Channels of alerts in the config: errors by file, line and key, and secrets that are never shown."""

from pathlib import Path

import pytest

from shadowstream.config import Channel
from shadowstream.configfile import load, masked
from tests.config.test_configfile import GOOD, Write, errors_of

HOOK = "https://example.org/tok-1"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(channel: str) -> Path:
        path = tmp_path / "trial.yaml"
        path.write_text(f"{GOOD}alerts:\n  channels:\n    - {channel}\n", "utf-8")
        return path

    return to_file


@pytest.mark.parametrize(
    ("channel", "key", "message"),
    [
        ("{name: a}", "", "exactly one of webhook, alertmanager and apprise"),
        (f"{{webhook: '{HOOK}', apprise: 'json://tok-2'}}", "", "exactly one of webhook, alertmanager and apprise"),
        ("{webhook: 'ftp://tok-1'}", ".webhook", "does not look right"),
        ("{apprise: tok-1}", ".apprise", "does not look right"),
        (f"{{webhook: '{HOOK}', secret: tok-short}}", ".secret", "at least 16 characters"),
        ("{alertmanager: 'http://a', secret: tok-0123456789abc}", ".secret", "signs the messages of a webhook only"),
        (f"{{webhook: '{HOOK}', headers: {{'a b': tok-1}}}}", ".headers", "is no HTTP header"),
        (f"{{webhook: '{HOOK}', headers: {{A: \"tok\\nB: c\"}}}}", ".headers", "is no HTTP header"),
        (f"{{webhook: '{HOOK}', headers: {{idempotency-key: a}}}}", ".headers", "is set by shadowstream"),
        ("{apprise: 'json://h', headers: {A: tok-1}}", ".headers", "belong to webhook and alertmanager"),
        (f"{{webhook: '{HOOK}', labels: {{a: b}}}}", ".labels", "belong to alertmanager"),
        ("{alertmanager: 'http://a', labels: {trial: b}}", ".labels", "cannot be set"),
        ("{name: log, alertmanager: 'http://a'}", ".name", "is the name of the log"),
        ("{name: A b, alertmanager: 'http://a'}", ".name", "does not look right"),
        ("{alertmanager: 'http://a', escalate_after: 30}", ".escalate_after", "expected a text"),
        ("{alertmanager: 'http://a', escalate_after: soon}", ".escalate_after", "does not look right"),
    ],
)
def test_a_channel_that_cannot_work_is_an_error_without_its_secrets(
    write: Write, channel: str, key: str, message: str
) -> None:
    ((line, found, text),) = errors_of(write(channel))
    assert (line, found) == (7, f"alerts.channels[0]{key}")
    assert message in text
    assert "tok" not in text


def test_two_channels_of_one_name_are_an_error(write: Write) -> None:
    path = write(f"{{webhook: '{HOOK}'}}\n    - {{webhook: '{HOOK}2'}}")
    ((_, key, text),) = errors_of(path)
    assert (key, text) == ("alerts.channels", "2 channels have the name 'webhook'; give each a name of its own")


def test_no_address_secret_or_header_of_a_channel_is_shown(write: Write) -> None:
    path = write(
        f"{{webhook: '{HOOK}', secret: tok-0123456789abc, headers: {{X-Key: tok-3}}}}\n    - apprise: 'json://tok'"
    )
    path.write_text(path.read_text("utf-8").replace("  channels", "  webhook: http://tok\n  channels"), "utf-8")
    path.write_text(path.read_text("utf-8").replace("{webhook", "{name: b, webhook"), "utf-8")
    shown = masked(load(path, {}))["alerts"]
    assert "tok" not in str(shown)
    assert (shown["webhook"], shown["channels"][0]["headers"]) == ("***", {"X-Key": "***"})
    assert [channel["name"] for channel in shown["channels"]] == ["b", None]


def test_a_channel_without_a_name_has_that_of_its_kind(write: Write) -> None:
    (only,) = load(write(f"{{webhook: '{HOOK}', escalate_after: 30m}}"), {}).alerts.targets
    assert (only.target, only.kind, only.escalate_after_s) == ("webhook", "webhook", 1_800)
    assert Channel(name="am", alertmanager="http://a").escalate_after_s is None
