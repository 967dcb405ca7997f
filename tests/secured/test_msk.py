"""`kafka.msk`: tokens by credentials of AWS's services on loopback; every kind of client logs in by the callback."""

import asyncio
import base64
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiokafka  # type: ignore[import-untyped]  # it publishes no types
import pytest
from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]  # public, not in __all__
from pydantic import ValidationError

from shadowstream.alerts.credentials import credentials_of
from shadowstream.config import Config, Kafka
from shadowstream.config.cluster import Msk
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, group_consumer, plain_writer, reading_consumer
from shadowstream.kafka.client.msk_token import token_source
from shadowstream.records import Write
from shadowstream.testing.topics import create_topics
from tests.least_config import least_config
from tests.secured.aws_services import aws_services
from tests.secured.secured_kafka import SecuredKafka, right, unsigned_token

REGION = "eu-central-1"


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests to AWS's services; nothing of this machine's own credentials is found."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with aws_services() as (url, asked):
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        yield asked


def signed(token: str) -> tuple[str, dict[str, list[str]]]:
    """The host and the parameters of the request that a token holds."""
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    return str(url.hostname), parse_qs(url.query)


def test_a_token_is_signed_with_the_credentials_of_the_instance(services: list[str]) -> None:
    token, ends_s = token_source(Msk(region=REGION))()
    host, signature = signed(token)
    assert host == f"kafka.{REGION}.amazonaws.com"
    assert signature["Action"] == ["kafka-cluster:Connect"]
    assert signature["X-Amz-Security-Token"] == ["instance-session"]
    assert signature["X-Amz-Credential"][0].startswith("AKIA-instance/")
    assert f"/{REGION}/kafka-cluster/" in signature["X-Amz-Credential"][0]
    assert 0 < ends_s - time.time() <= int(signature["X-Amz-Expires"][0])
    assert services[0] == "PUT /latest/api/token"


def test_a_token_of_an_assumed_role_bears_its_session(services: list[str]) -> None:
    token, _ = token_source(Msk(region=REGION, role_arn="arn:aws:iam::1:role/shadow"))()
    _, signature = signed(token)
    assert signature["X-Amz-Security-Token"] == ["assumed"]
    assert signature["X-Amz-Credential"][0].startswith("AKIA-shadow/")
    assert services[-1] == "POST /"
    with pytest.raises(BrokerError, match="AWS gives no token"):
        token_source(Msk(region=REGION, role_arn="arn:aws:iam::1:role/unknown"))()


def test_without_credentials_the_remedy_is_named(services: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(BrokerError, match=r"no credentials were found; check the pod's or machine's role"):
        token_source(Msk(region=REGION))()


def test_without_the_extra_its_name_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", None)
    with pytest.raises(ConfigError, match="of the extra `msk`, which is not installed here"):
        token_source(Msk(region=REGION))


@pytest.fixture
def as_runner(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that this broker accepts in place of Amazon's, and how often one was asked for."""
    asked: list[str] = []

    def give(region: str) -> tuple[str, float]:
        asked.append(region)
        return unsigned_token("runner", time.time()), (time.time() + 60) * 1000

    monkeypatch.setattr(MSKAuthTokenProvider, "generate_auth_token", give)
    return asked


def test_every_client_logs_in_by_the_callback(secured: SecuredKafka, topic_prefix: str, as_runner: list[str]) -> None:
    name = f"msk-{topic_prefix[-9:-1]}".lower().strip("-_")
    kafka = {"bootstrap": secured.login, "client": {"ssl.ca.location": str(secured.authority.file)}}
    config: Config = least_config(name=name, kafka={**kafka, "msk": {"region": REGION}}).acting_as("runner")
    topic = config.plan.of("progress")
    create_topics(secured.bootstrap, {topic: 1})
    read, write = AclOperation.READ, AclOperation.WRITE
    needed = ((read, ResourceType.GROUP), (read, ResourceType.TOPIC), (write, ResourceType.TOPIC))
    secured.allow([right("runner", *each, config.plan.prefix, prefixed=True) for each in needed])
    assert offsets.existing(admin(config.kafka)).keys() == {topic}
    writer = plain_writer(config)
    writer.write([Write(topic, 0, None, b"{}")])
    writer.flush(20)
    for consumer in (reading_consumer(config.kafka, config.plan, "look"), group_consumer(config, "runner")):
        assert consumer.list_topics(timeout=20).topics.keys() == {topic}
        consumer.close()
    assert as_runner == [REGION] * len(as_runner)
    assert len(as_runner) >= 4
    asyncio.run(_listed_by_faust(config.kafka, topic))


async def _listed_by_faust(kafka: Kafka, topic: str) -> None:
    """The client below Faust logs in by the credentials that the alerts role gives to Faust."""
    given = credentials_of(kafka)
    assert given is not None
    assert (given.protocol.value, given.mechanism.value) == ("SASL_SSL", "OAUTHBEARER")
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        security_protocol=given.protocol.value,
        sasl_mechanism=given.mechanism.value,
        sasl_oauth_token_provider=given.oauth_cb,
        ssl_context=given.ssl_context,
    )
    await consumer.start()
    assert topic in await consumer.topics()
    await consumer.stop()


@pytest.mark.parametrize(
    ("kafka", "problem"),
    [
        ({"msk": {"region": "nowhere"}}, "region"),
        ({"msk": {"region": REGION, "profile": "a", "role_arn": "arn:a"}}, "either role_arn or profile"),
        ({"msk": {"region": REGION}, "client": {"sasl.username": "a"}}, "remove sasl.username"),
        ({"roles": {"judge": {"msk": {"region": REGION}}}, "client": {"security.protocol": "SSL"}}, r"\(judge\)"),
    ],
)
def test_a_login_that_cannot_be_is_an_error_that_names_it(kafka: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Kafka.model_validate(kafka)


def test_a_role_may_have_a_login_of_its_own() -> None:
    roles = {"judge": {"msk": {"region": REGION, "role_arn": "arn:aws:iam::1:role/judge"}}}
    kafka = Kafka.model_validate({"msk": {"region": REGION}, "roles": roles})
    assert kafka.of("judge").msk == Msk(region=REGION, role_arn="arn:aws:iam::1:role/judge")
    assert kafka.of("runner").msk == Msk(region=REGION)
