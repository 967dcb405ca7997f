"""The alerts role's client, Faust, on a secured broker: each way to log in, end to end to a webhook."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from shadowstream.alerts.credentials import TokenProvider
from shadowstream.config import Kafka
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.doctor.least_rights import acl_line, rights_of
from shadowstream.kafka.trial import topic_admin
from tests.alerts.alerts_trial import AlertsTrial, drift
from tests.alerts.webhook import Webhook
from tests.pipeline.written_records import await_that
from tests.secured.granted_rights import bindings
from tests.secured.secured_kafka import SecuredKafka, password_of
from tests.secured.token_service import token_service

Client = dict[str, str]


def by_token(secured: SecuredKafka, url: str) -> Client:
    named = {"method": "oidc", "client.id": "alerts", "client.secret": password_of("alerts")}
    named |= {"token.endpoint.url": url, "scope": "kafka"}
    login = {f"sasl.oauthbearer.{name}": value for name, value in named.items()}
    ca = {"security.protocol": "SASL_SSL", "ssl.ca.location": str(secured.authority.file)}
    return {**ca, "sasl.mechanism": "OAUTHBEARER", **login}


WAYS: dict[str, Callable[[SecuredKafka, str], Client]] = {
    "PLAIN": lambda secured, _: secured.client("alerts", "PLAIN"),
    "SCRAM-SHA-256": lambda secured, _: secured.client("alerts", "SCRAM-SHA-256"),
    "SCRAM-SHA-512": lambda secured, _: secured.client("alerts"),
    "OAUTHBEARER": by_token,
    "mTLS": lambda secured, _: secured.certified("alerts"),
}


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.long] if way == "SCRAM-SHA-256" else []) for way in WAYS]
)
def test_an_incident_reaches_the_webhook_by_each_way_to_log_in(
    secured: SecuredKafka, topic_prefix: str, tmp_path: Path, way: str
) -> None:
    with ExitStack() as stack:
        url, given = stack.enter_context(token_service())
        webhook = stack.enter_context(Webhook())
        webhook.up()
        bootstrap = secured.mutual if way == "mTLS" else secured.login
        alerts = AlertsTrial(secured.bootstrap, f"alerts-{topic_prefix[-9:-1]}", tmp_path, webhook)
        stack.callback(alerts.close)
        alerts.trial.write_config(kafka={"bootstrap": bootstrap, "client": WAYS[way](secured, url)})
        # Production's topics, and the trial's, which the alerts role may not create.
        alerts.trial.create_topics()
        config = alerts.trial.config
        topic_admin.ensure(admin(Kafka(bootstrap=secured.bootstrap)), config)
        rights = rights_of(config, "alerts")
        secured.allow(bindings(acl_line("-", "User:alerts", right) for right in rights))
        alerts.start()
        alerts.await_ready()
        alerts.judge(drift("opened", "mismatch-1"))
        await_that("the incident is delivered", lambda: len(webhook.calls) == 1)
        assert bool(given) == (way == "OAUTHBEARER")


def test_a_token_is_used_again_until_it_nearly_ends() -> None:
    async def twice(url: str, secret: str) -> set[str]:
        names = {"client.id": "alerts", "client.secret": secret, "token.endpoint.url": url, "extensions": "a=b,c=d"}
        provider = TokenProvider(Kafka(client={f"sasl.oauthbearer.{k}": v for k, v in names.items()}).client)
        assert provider.extensions() == {"a": "b", "c": "d"}
        return set(await asyncio.gather(*(provider.token() for _ in range(3))))

    with token_service() as (url, given):
        assert len(asyncio.run(twice(url, password_of("alerts")))) == 1
        assert given == ["alerts"]
        with pytest.raises(BrokerError, match=r"token\.endpoint\.url gives no token") as refused:
            asyncio.run(twice(url, "wrong"))
        assert "wrong" not in str(refused.value)
