"""Delivery of alerts, each once: a compacted topic of the trial lists the delivered alerts and is read before sending.

Alerts are sent independently, each with its own back-off: a webhook that rejects one still gets the following ones.
An alert of a muted incident rests: it is not sent until the mute ends. If the incident closes, it is dropped.

A crash may occur between a webhook's answer and the note of it. Then the alert is sent again with the same
``Idempotency-Key``: delivery is at least once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from shadowstream.alerts.acknowledged_writer import AcknowledgedWriter
from shadowstream.alerts.messages import Alert
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError, IsolationError
from shadowstream.health import RoleHealth
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import muted
from shadowstream.kafka.reading.topic_reader import read_topic
from shadowstream.logs import get_logger
from shadowstream.records import Write

log = get_logger("alerts")
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
READ_TIMEOUT_S = 5.0
URL_SAFE = ":/?#[]@!$&'()*+,;=%~"
Sleep = Callable[[float], Awaitable[None]]


class Delivered:
    """The delivered alerts, by id, in the topic ``deliveries``."""

    def __init__(self, config: Config) -> None:
        self._config, self._topic = config, config.plan.of("deliveries")
        self._writer = AcknowledgedWriter(config)
        self.ids: set[str] = set()

    def load(self) -> None:
        """Read the deliveries of earlier processes; raise `BrokerError` if the topic cannot be read."""
        last = {row.key: row.value for row in read_topic(self._config.kafka, self._topic, READ_TIMEOUT_S)}
        self.ids = {key.decode("utf-8", "replace") for key, value in last.items() if key and value}

    def note(self, alert: Alert, target: str) -> None:
        """Write the delivery of an alert; raise `BrokerError` unless the broker has it."""
        record = {"alert": alert.id, "target": target, "delivered_at_ms": now_ms()}
        self._writer.write(Write(self._topic, 0, alert.id.encode(), own.encode("delivery", record)))
        self.ids.add(alert.id)


@dataclass(slots=True)
class _Delivery:
    """An alert in delivery. `is_checked`: the deliveries of other processes have been read. `is_logged`: the alert is
    in the log. `is_accepted`: the webhook has it, and only the note of it is missing."""

    alert: Alert
    attempts: int = 0
    is_checked: bool = False
    is_logged: bool = False
    is_accepted: bool = False


class Deliverer:
    """Sender of alerts to the webhook, if configured, and to the log. It repeats each until it is accepted.

    `open`: alerts in delivery, by id. `resting`: alerts of muted incidents, by incident. `failure`: an error that must
    end the role; the content of an alert never causes one.
    """

    def __init__(self, config: Config, delivered: Delivered, watch: RoleHealth, sleep: Sleep = asyncio.sleep) -> None:
        self._config, self._delivered, self._metrics, self._sleep = config, delivered, watch.metrics, sleep
        self._broker_calls = asyncio.Lock()
        self.target = "webhook" if config.alerts.webhook else "log"
        self.count = 0
        self.open: dict[str, asyncio.Task[None]] = {}
        self.resting: dict[str, Alert] = {}
        self._dropped: set[str] = set()
        self.failure: BaseException | None = None

    @property
    def owes(self) -> bool:
        return bool(self.open or self.resting)

    async def deliver(self, alert: Alert) -> None:
        """Start the delivery of an alert, unless it is in delivery; return after the first attempt."""
        if alert.id in self.open:
            return
        tried = asyncio.Event()
        task = asyncio.create_task(self._until_accepted(_Delivery(alert), tried))
        self.open[alert.id] = task
        task.add_done_callback(lambda done: self._ended(alert.id, done))
        await tried.wait()

    def closed(self, incident: str) -> None:
        """Drop the resting alert of a closed incident."""
        alert = self.resting.pop(incident, None)
        if alert is not None and alert.id in self.open:
            self._dropped.add(alert.id)  # its delivery reads the mutes right now, and would keep it anew

    async def stop(self) -> None:
        """Give up undelivered alerts; the next process delivers them."""
        tasks = list(self.open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, alert: str, task: asyncio.Task[None]) -> None:
        # A cancelled alert is still undelivered: its offset must not be committed.
        self._dropped.discard(alert)
        if not task.cancelled():
            del self.open[alert]
            self.failure = self.failure or task.exception()

    async def _until_accepted(self, delivery: _Delivery, tried: asyncio.Event) -> None:
        try:
            while not await self._try(delivery):
                tried.set()
                await self._sleep(_wait_s(delivery))
        finally:
            tried.set()

    async def _try(self, delivery: _Delivery) -> bool:
        """Make one attempt; return whether delivery has ended: accepted now or before, or resting."""
        try:
            return await self._attempt(delivery)
        except (IsolationError, asyncio.CancelledError):
            raise
        except BrokerError as error:
            if delivery.is_accepted:
                self._failed("note_failed", delivery, str(error))
            else:
                self._failed("reading_failed", delivery, str(error))
        except Exception as error:  # noqa: BLE001 - the content of this alert must not block the others
            self._failed("delivery_failed", delivery, f"{type(error).__name__} before it was sent")
        return False

    async def _attempt(self, delivery: _Delivery) -> bool:
        alert, webhook = delivery.alert, self._config.alerts.webhook
        if not delivery.is_accepted:
            if alert.id not in self._delivered.ids and not delivery.is_checked:
                # Only the topic knows the recent deliveries of other processes of this role.
                await self._exclusively(self._delivered.load)
                delivery.is_checked = True
            if alert.id in self._delivered.ids:
                self._metrics.add("deliveries_total", target=self.target, result="known")
                return True
            if await self._rests(alert):
                return True
            if not delivery.is_logged:
                log.warning("alert", alert=alert.id, **alert.payload)
                delivery.is_logged = True
            if webhook and not await self._post(webhook, delivery):
                return False
        delivery.is_accepted = True
        # After the webhook has accepted the alert, an unavailable broker is no reason to send it again.
        await self._exclusively(lambda: self._delivered.note(alert, self.target))
        self.count += 1
        self._metrics.add("deliveries_total", target=self.target, result="delivered")
        log.info("delivered", alert=alert.id, target=self.target)
        return True

    async def _rests(self, alert: Alert) -> bool:
        """Return whether the alert's incident is muted now, and keep the alert if so."""
        incident = alert.incident
        if incident is None:
            return False
        is_muted = await asyncio.to_thread(muted, self._config, incident, now_ms())
        if alert.id in self._dropped:
            return True
        if not is_muted:
            self.resting.pop(incident, None)
            return False
        if incident not in self.resting:
            log.info("alert_muted", alert=alert.id, incident=incident)
            self._metrics.add("deliveries_total", target=self.target, result="muted")
        self.resting[incident] = alert
        return True

    async def _post(self, url: str, delivery: _Delivery) -> bool:
        """Send the alert once; return whether it was accepted."""
        timeout = aiohttp.ClientTimeout(total=self._config.alerts.timeout_ms / 1000)
        headers = {"Content-Type": "application/json", "Idempotency-Key": delivery.alert.key}
        body = orjson.dumps({"id": delivery.alert.key, **delivery.alert.payload})
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                # A redirect may lead anywhere, and a POST that becomes a GET would deliver nothing.
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status // 100 == 2:
                    return True
                problem = f"status {answer.status}"
                if answer.status // 100 == 3:
                    problem += ": a redirect is not followed; set alerts.webhook to the address that takes alerts"
        except Exception as error:  # noqa: BLE001 - the client raises more than its own errors, such as ValueError
            problem = _problem_of(error, url)
        self._metrics.add("deliveries_total", target="webhook", result="failed")
        self._failed("delivery_failed", delivery, problem)
        return False

    async def _exclusively(self, call: Callable[[], None]) -> None:
        """Make a blocking call of the broker; only one runs at a time."""
        async with self._broker_calls:
            await asyncio.to_thread(call)

    def _failed(self, event: str, delivery: _Delivery, problem: str) -> None:
        delivery.attempts += 1
        alert, attempt, again_in_s = delivery.alert.id, delivery.attempts, _wait_s(delivery)
        log.warning(event, alert=alert, attempt=attempt, problem=problem, again_in_s=again_in_s)


def _wait_s(delivery: _Delivery) -> float:
    return BACK_OFF_S[min(delivery.attempts, len(BACK_OFF_S)) - 1]


def _problem_of(error: Exception, url: str) -> str:
    """Describe an error without the webhook's address, which often serves as its password."""
    text, parts = f"{type(error).__name__}: {error}", urlsplit(url)
    secrets = (url, quote(url, safe=URL_SAFE), parts.path.strip("/"), parts.query, parts.password)
    return type(error).__name__ if any(secret in text for secret in secrets if secret) else text
