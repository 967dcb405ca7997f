"""`kafka.client`: an allow list by canonical name, with types; no alias, mock, plugin or callback passes."""

import pytest
from confluent_kafka import Consumer, KafkaException
from pydantic import ValidationError

from shadowstream.config import OWNED_PROPERTIES, Kafka
from shadowstream.config.client_properties import ALIASES, KINDS
from shadowstream.errors import ConfigError
from tests.forked import ROOT

REFUSED = [
    *sorted(OWNED_PROPERTIES),
    *("metadata.broker.list", "test.mock.num.brokers", "plugin.library.paths", "ssl.engine.location", "error_cb"),
    *("allow.auto.create.topics", "default.topic.config", "delivery.report.only.error", "sasl.kerberos.kinit.cmd"),
    *("client.software.name", "acks", "Security.Protocol", "topic.auto.offset.reset", "oauth_cb", "on_commit"),
]
CHOICES = {
    "broker.address.family": "any",
    "client.dns.lookup": "use_all_dns_ips",
    "compression.codec": "lz4",
    "metadata.recovery.strategy": "none",
    "security.protocol": "plaintext",
    "ssl.endpoint.identification.algorithm": "https",
    "sasl.oauthbearer.method": "default",
    "debug": "generic",
    **dict.fromkeys(("message.max.bytes", "fetch.max.bytes"), "50000000"),
    "receive.message.max.bytes": "2000000000",
}
NUMBERS = ("1", "100", "10000", "1000000")


@pytest.mark.parametrize("name", REFUSED)
def test_no_other_name_passes(name: str) -> None:
    with pytest.raises(ValidationError, match=r"cannot be set|can be set here"):
        Kafka(client={name: "1"})


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind != "text" or name in CHOICES])
def test_the_client_library_knows_every_name_as_canonical(name: str) -> None:
    for value in (CHOICES[name],) if name in CHOICES else ("true",) if KINDS[name] == "switch" else NUMBERS:
        client = Kafka(client={name: value}).client
        try:
            Consumer({"group.id": "none", "log_level": 0, **client}).close()
            return
        except KafkaException as error:
            refusal = error
    raise AssertionError(refusal)


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        ({"check.crcs": "maybe"}, "check.crcs must be true or false"),
        ({"session.timeout.ms": "soon"}, "session.timeout.ms must be a whole number"),
        ({"max.poll.interval.ms": 1.5}, "max.poll.interval.ms must be a whole number"),
        ({"linger.ms": True}, "linger.ms must be a number"),
        ({"sasl.mechanism": "PLAIN", "sasl.mechanisms": "PLAIN"}, "is set twice"),
        ({"message.max.bytes": 1_000}, "must be at least"),
        ({"ssl.ca.locatoin": "a"}, "did you mean 'ssl.ca.location'"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_it(client: dict[str, str | int | float], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Kafka(client=client)


def test_an_alias_becomes_the_canonical_name() -> None:
    assert not ALIASES.keys() & KINDS.keys()
    assert Kafka(client={"sasl.mechanism": "PLAIN"}).client == {"sasl.mechanisms": "PLAIN"}


def test_a_principal_has_its_own_credentials_and_no_others() -> None:
    roles = {"runner": {"client": {"sasl.username": "r"}}, "judge": {"client": {"sasl.username": "j"}}}
    kafka = Kafka.model_validate({"client": {"client.id": "c", "sasl.username": "all"}, "roles": roles})
    assert kafka.of("runner").client == {"client.id": "c", "sasl.username": "r"}
    assert kafka.of("joiner").client["sasl.username"] == "all"
    assert kafka.of("runner").roles == {}


def test_an_empty_password_is_an_error_of_the_principal_that_uses_it() -> None:
    runner = {"client": {"sasl.username": "r", "sasl.password": ""}}
    kafka = Kafka.model_validate({"roles": {"runner": runner}})
    assert kafka.of("judge").client == {}
    with pytest.raises(ConfigError, match=r"kafka\.client: sasl\.password is empty for runner"):
        kafka.of("runner")


def test_the_page_lists_every_property() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8").partition("## Properties of the client\n")[2]
    listed = page.partition("```text\n")[2].partition("```")[0].split()
    assert {word for word in listed if "." in word or "_" in word or word == "debug"} == set(KINDS)
    assert all(f"`{alias}` for `{name}`" in page for alias, name in ALIASES.items())
