"""Credentials of the Faust app, from the librdkafka properties of the alerts role.

Properties that Faust cannot express are errors of the config (`config.client_properties.alerts_obstacles`).
"""

import asyncio
import base64
import os
import ssl
import time
from abc import abstractmethod
from collections.abc import Mapping

import aiohttp
import faust
from aiokafka.abc import AbstractTokenProvider  # type: ignore[import-untyped]  # it publishes no types
from faust.auth import Credentials

from shadowstream.config import Kafka
from shadowstream.config.cluster import Msk
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client.msk_token import token_source

TOKEN_TIMEOUT_S = 10.0
TOKEN_SHARE = 0.8
"""Share of its lifetime for which a token is used again."""
TOKEN_LIFE_S = 60.0
"""Lifetime of a token whose service names none."""
Properties = Mapping[str, str | int | float | bool]


def credentials_of(kafka: Kafka) -> Credentials | None:
    """Return the credentials of Faust's client; None for a plaintext listener without a login.

    Raises `ConfigError` if a certificate or key cannot be read, or the extra `msk` is missing.
    """
    client = kafka.client
    if kafka.msk is not None:
        return faust.OAuthCredentials(oauth_cb=MskTokenProvider(kafka.msk), ssl_context=_context(client))
    protocol = str(client.get("security.protocol", "plaintext")).upper()
    context = _context(client) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    if not protocol.startswith("SASL"):
        return None
    mechanism = str(client.get("sasl.mechanisms", "")).upper()
    if mechanism == "OAUTHBEARER":
        return faust.OAuthCredentials(oauth_cb=TokenProvider(client), ssl_context=context)
    name, password = (str(client.get(f"sasl.{kind}", "")) for kind in ("username", "password"))
    return faust.SASLCredentials(mechanism=mechanism, username=name, password=password, ssl_context=context)


def _context(client: Properties) -> ssl.SSLContext:
    """Return the context of TLS connections to brokers, with the defaults of librdkafka: name and authority checked."""
    context = _trusting(client, "ssl.ca")
    certificate, key, password = (
        str(client[name]) if name in client else None
        for name in ("ssl.certificate.location", "ssl.key.location", "ssl.key.password")
    )
    if certificate:
        try:
            context.load_cert_chain(certificate, key, password=password)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"kafka.client: ssl.certificate.location, ssl.key.location: {error}") from error
    if ciphers := client.get("ssl.cipher.suites"):
        context.set_ciphers(str(ciphers))
    if str(client.get("ssl.endpoint.identification.algorithm", "https")).lower() == "none":
        context.check_hostname = False
    if str(client.get("enable.ssl.certificate.verification", "true")).lower() == "false":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _trusting(client: Properties, kind: str) -> ssl.SSLContext:
    """Return a context that trusts the authorities under `kind`: `ssl.ca` of brokers, `https.ca` of token services."""
    place, text = client.get(f"{kind}.location"), client.get(f"{kind}.pem")
    named = str(place) if place and place != "probe" else None
    file, folder = (None, named) if named and os.path.isdir(named) else (named, None)
    try:
        return ssl.create_default_context(cafile=file, capath=folder, cadata=str(text) if text else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"kafka.client: {kind}.{'location' if place else 'pem'}: {error}") from error


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # it publishes no types
    """Provider that uses a token again for a share of its lifetime."""

    def __init__(self) -> None:
        self._token, self._until = "", 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """Return a token that is still valid. Raises `BrokerError` if the service gives none."""
        async with self._asking:
            if time.monotonic() >= self._until:
                self._token, life_s = await self._asked()
                self._until = time.monotonic() + life_s * TOKEN_SHARE
        return self._token

    @abstractmethod
    async def _asked(self) -> tuple[str, float]:
        """Return a new token and its lifetime in seconds."""


class MskTokenProvider(_Tokens):
    """Provider of tokens of AWS IAM, as the other roles' client has them."""

    def __init__(self, msk: Msk) -> None:
        super().__init__()
        self._ask = token_source(msk)

    async def _asked(self) -> tuple[str, float]:
        token, ends_s = await asyncio.to_thread(self._ask)
        return token, ends_s - time.time()


class TokenProvider(_Tokens):
    """Provider of tokens by client credentials (`sasl.oauthbearer.method: oidc`), as librdkafka asks for them."""

    def __init__(self, client: Properties) -> None:
        super().__init__()
        self._client = client
        self._context = _trusting(client, "https.ca")

    def extensions(self) -> dict[str, str]:
        """Return the SASL extensions of the config: ``name=value`` by comma."""
        parts = str(self._client.get("sasl.oauthbearer.extensions", "")).split(",")
        return dict(part.split("=", 1) for part in parts if "=" in part)

    async def _asked(self) -> tuple[str, float]:
        url, name, secret, scope = (
            str(self._client.get(f"sasl.oauthbearer.{kind}", ""))
            for kind in ("token.endpoint.url", "client.id", "client.secret", "scope")
        )
        login = base64.b64encode(f"{name}:{secret}".encode()).decode()
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        timeout = aiohttp.ClientTimeout(total=TOKEN_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(headers={"Authorization": f"Basic {login}"}, timeout=timeout) as session,
                session.post(url, data=form, ssl=self._context, allow_redirects=False) as answer,
            ):
                answer.raise_for_status()
                given = await answer.json(content_type=None)
            return str(given["access_token"]), float(given.get("expires_in", TOKEN_LIFE_S))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            # The text of the error may hold the answer, and so a token.
            raise BrokerError(
                f"the token service of sasl.oauthbearer.token.endpoint.url gives no token: {type(error).__name__}",
                retriable=True,
            ) from None
