"""Deliver alerts once: what has been delivered stands in a compacted topic of ours, read before anything is sent.

An alert whose incident is muted rests: it is not sent, also where sending it has failed so far, until the mute ends or
the incident closes.

Between a webhook's answer and our note of it a crash can fall; the alert is then sent again with the same
``Idempotency-Key``, which is what at-least-once can promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import orjson

from shadowstream.alerts.messages import Alert
from shadowstream.alerts.stating import Statements
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.commanding import muted
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.reading import read_topic
from shadowstream.observe import get_logger
from shadowstream.records import Write
from shadowstream.watch import Watch

log = get_logger("alerts")
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
READ_TIMEOUT_S = 5.0
Sleep = Callable[[float], Awaitable[None]]


class Delivered:
    """Ids of alerts that have been delivered, in the topic ``deliveries``."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topic = config.plan.of("deliveries")
        self._statements = Statements(config)
        self.ids: set[str] = set()

    def load(self) -> None:
        """Read what earlier processes delivered. Raises `BrokerError` where the topic cannot be read."""
        last = {row.key: row.value for row in read_topic(self._config.kafka, self._topic, READ_TIMEOUT_S)}
        self.ids = {key.decode("utf-8", "replace") for key, value in last.items() if key and value}

    def note(self, alert: Alert, target: str) -> None:
        """Say that the alert was delivered. Returns when the broker has it, else raises `BrokerError`."""
        record = {"alert": alert.id, "target": target, "delivered_at_ms": now_ms()}
        self._statements.write(Write(self._topic, 0, alert.id.encode(), own.encode("delivery", record)))
        self.ids.add(alert.id)


class Deliverer:
    """Sends alerts to the webhook, if there is one, and to the log; retries until it is taken."""

    def __init__(self, config: Config, delivered: Delivered, watch: Watch, sleep: Sleep = asyncio.sleep) -> None:
        self._alerts, self._delivered, self._metrics, self._sleep = config.alerts, delivered, watch.metrics, sleep
        self._config = config
        self._in_turn = asyncio.Lock()
        self.target = "webhook" if config.alerts.webhook else "log"
        self.count = 0
        self.resting: dict[str, Alert] = {}
        """Alerts of muted incidents, by incident."""

    async def deliver(self, alert: Alert) -> None:
        """Deliver one alert unless that has been done; returns when it has, or when it rests."""
        async with self._in_turn:
            await self._deliver(alert)

    async def rested(self) -> None:
        """Deliver what has rested long enough."""
        for alert in list(self.resting.values()):
            await self.deliver(alert)

    def closed(self, incident: str) -> None:
        """Nobody need be told any more."""
        self.resting.pop(incident, None)

    async def _deliver(self, alert: Alert) -> None:
        if alert.id not in self._delivered.ids:
            # What another process of this role has delivered since we looked is known only there.
            await self._persist("reading_failed", alert, self._delivered.load)
        if alert.id in self._delivered.ids:
            self._metrics.add("deliveries_total", target=self.target, result="known")
            return
        if await self._rests(alert):
            return
        log.warning("alert", alert=alert.id, **alert.payload)
        if self._alerts.webhook and not await self._post(self._alerts.webhook, alert):
            return
        # Once the webhook has taken it, a broker that is away for a while is no reason to send it again.
        await self._persist("note_failed", alert, lambda: self._delivered.note(alert, self.target))
        self.count += 1
        self._metrics.add("deliveries_total", target=self.target, result="delivered")
        log.info("delivered", alert=alert.id, target=self.target)

    async def _rests(self, alert: Alert) -> bool:
        """Whether the alert's incident is muted now; it is kept then."""
        incident = alert.incident
        if incident is None:
            return False
        found: list[bool] = []
        await self._persist("reading_failed", alert, lambda: found.append(muted(self._config, incident, now_ms())))
        if not found[-1]:
            self.resting.pop(incident, None)
            return False
        if incident not in self.resting:
            log.info("alert_rests", alert=alert.id, incident=incident)
            self._metrics.add("deliveries_total", target=self.target, result="muted")
        self.resting[incident] = alert
        return True

    async def _post(self, url: str, alert: Alert) -> bool:
        """Send it until it is taken; False where it was muted meanwhile."""
        timeout = aiohttp.ClientTimeout(total=self._alerts.timeout_ms / 1000)
        headers = {"Content-Type": "application/json", "Idempotency-Key": alert.id}
        body = orjson.dumps({"id": alert.id, **alert.payload})
        attempt = 0
        while True:
            try:
                async with (
                    aiohttp.ClientSession(timeout=timeout) as session,
                    session.post(url, data=body, headers=headers) as answer,
                ):
                    if answer.status < 300:
                        return True
                    problem = f"status {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                # A webhook's address is often its password.
                problem = f"{type(error).__name__}: {error}".replace(url, "the webhook")
            attempt += 1
            self._metrics.add("deliveries_total", target="webhook", result="failed")
            await self._wait("delivery_failed", alert, attempt, problem)
            if await self._rests(alert):
                return False

    async def _persist(self, failed: str, alert: Alert, call: Callable[[], None]) -> None:
        """Make a blocking call until the broker plays along."""
        attempt = 0
        while True:
            try:
                await asyncio.to_thread(call)
                return
            except BrokerError as error:
                attempt += 1
                await self._wait(failed, alert, attempt, str(error))

    async def _wait(self, event: str, alert: Alert, attempt: int, problem: str) -> None:
        wait_s = BACK_OFF_S[min(attempt, len(BACK_OFF_S)) - 1]
        log.warning(event, alert=alert.id, attempt=attempt, problem=problem, again_in_s=wait_s)
        await self._sleep(wait_s)
