"""Channels by HTTP: the webhook with its signature, and a Prometheus Alertmanager (API v2)."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from shadowstream.alerts.channels.channel import Channel, Refused
from shadowstream.alerts.messages import Alert, State
from shadowstream.config import Channel as Settings
from shadowstream.logs import get_logger
from shadowstream.webhook_signatures import signed_headers

log = get_logger("alerts")
SIGNATURE = "X-Shadowstream-Signature"
URL_SAFE = ":/?#[]@!$&'()*+,;=%~"
RESEND_S = 60.0
ALIVE_S = 600.0
"""Time after which the Alertmanager resolves an alert that is not sent again."""
_SEVERITIES = {"incident": "warning", "distribution": "info", "reject": "critical", "approval": "info"}


def signature(secret: str, body: bytes, at_s: int) -> str:
    """Return the signature of a body that is sent at a time: HMAC-SHA256 of ``<time>.<body>``."""
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


class HttpChannel(Channel):
    """A channel that takes a POST of JSON and accepts it by a status 2xx."""

    path = ""

    def __init__(self, settings: Settings, timeout_ms: int) -> None:
        super().__init__(settings)
        self._settings = settings
        self._url = settings.url.rstrip("/") + self.path if self.path else settings.url
        self._timeout = aiohttp.ClientTimeout(total=timeout_ms / 1000)

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        every = {**self._settings.headers, "Content-Type": "application/json", **headers}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                # A redirect may lead anywhere, and a POST that becomes a GET would deliver nothing.
                session.post(self._url, data=body, headers=every, allow_redirects=False) as answer,
            ):
                status = answer.status
        except Exception as error:  # noqa: BLE001 - the client raises more than its own errors, such as ValueError
            raise Refused(self._problem(error)) from None
        if status // 100 == 3:
            raise Refused(f"status {status}: a redirect is not followed; write the address that takes alerts")
        if status // 100 != 2:
            raise Refused(f"status {status}")

    def _problem(self, error: Exception) -> str:
        """Describe an error without the address."""
        text, parts = f"{type(error).__name__}: {error}", urlsplit(self._url)
        secrets = (self._url, quote(self._url, safe=URL_SAFE), parts.path.strip("/"), parts.query, parts.password)
        return type(error).__name__ if any(secret in text for secret in secrets if secret) else text


class WebhookChannel(HttpChannel):
    """A webhook of the user: the alert as JSON, with an Idempotency-Key and, with a secret, signatures."""

    async def send(self, alert: Alert) -> None:
        body = orjson.dumps({"id": alert.key, **alert.payload})
        headers = {"Idempotency-Key": alert.key}
        if self._settings.secret is not None:
            at_s = int(time.time())
            headers[SIGNATURE] = signature(self._settings.secret, body, at_s)
            headers |= signed_headers(alert.key, body, at_s, self._settings.secrets)
        await self._post(body, headers)


class AlertmanagerChannel(HttpChannel):
    """An Alertmanager. It forgets an alert that is not repeated, so open ones of the running revision are repeated."""

    path = "/api/v2/alerts"

    def __init__(self, settings: Settings, timeout_ms: int, revision: str) -> None:
        super().__init__(settings, timeout_ms)
        self._revision = revision
        self._firing: dict[str, Alert] = {}
        self._ended: set[str] = set()
        self._sent_at = time.monotonic()

    async def send(self, alert: Alert) -> None:
        await self._send([alert], time.time())

    def settled(self, alert: Alert) -> None:
        if alert.state == State.RESOLVED:
            self._firing.pop(alert.of, None)
            self._ended.add(alert.of)  # a repeated record of its begin fires it no more
        elif alert.of not in self._ended and alert.payload["revision"] == self._revision:
            self._firing[alert.of] = alert

    async def refresh(self) -> None:
        if not self._firing or time.monotonic() - self._sent_at < RESEND_S:
            return
        self._sent_at = time.monotonic()
        try:
            await self._send(self._firing.values(), time.time())
        except Refused as refused:
            log.warning("alerts_not_repeated", target=self.target, problem=str(refused), alerts=len(self._firing))

    async def _send(self, alerts: Iterable[Alert], now_s: float) -> None:
        await self._post(orjson.dumps([self._posted(alert, now_s) for alert in alerts]), {})

    def _posted(self, alert: Alert, now_s: float) -> dict[str, Any]:
        payload = alert.payload
        ends_s = now_s if alert.state == State.RESOLVED else now_s + ALIVE_S
        # Event time may be ahead of the clock, and an alert must begin before it ends.
        began_s = min((payload.get("since_ms") or now_s * 1000) / 1000, now_s - 1)
        # The end must bear the labels of the begin, so what differs between them is no label: a slice may come later.
        named = ("trial", "revision", "incident")
        labels = {
            "alertname": f"Shadowstream{payload['kind'].capitalize()}",
            "severity": _SEVERITIES[payload["kind"]],
            **{name: str(payload[name]) for name in named if payload.get(name)},
            **self._settings.labels,
        }
        annotations = {"summary": payload["title"], "description": payload["body"], "look": payload["look"]}
        annotations |= {name: payload[name] for name in ("criterion", "slice") if payload.get(name)}
        return {"labels": labels, "annotations": annotations, "startsAt": _rfc3339(began_s), "endsAt": _rfc3339(ends_s)}


def _rfc3339(at_s: float) -> str:
    return datetime.fromtimestamp(max(at_s, 0.0), UTC).isoformat(timespec="milliseconds")
