"""Deliver alerts once: what has been delivered stands in a compacted topic of ours, read before anything is sent.

Alerts are tried one beside the other, each with a back-off of its own: a webhook that refuses one gets those behind it.
An alert whose incident is muted rests: it is not sent, also where sending it has failed so far, until the mute ends or
the incident closes.

Between a webhook's answer and our note of it a crash can fall; the alert is then sent again with the same
``Idempotency-Key``, which is what at-least-once can promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from shadowstream.alerts.messages import Alert
from shadowstream.alerts.stating import Statements
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError, IsolationError
from shadowstream.health import Watch
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


@dataclass(slots=True)
class _Delivery:
    """An alert on its way. `looked`: what other processes have delivered is known; `logged`: it stands in the log;
    `taken`: the webhook has it, and only our note of it is missing."""

    alert: Alert
    attempts: int = 0
    looked: bool = False
    logged: bool = False
    taken: bool = False


class Deliverer:
    """Sends alerts to the webhook, if there is one, and to the log. Each is tried by itself until it is taken, so that
    one that is refused holds up no other."""

    def __init__(self, config: Config, delivered: Delivered, watch: Watch, sleep: Sleep = asyncio.sleep) -> None:
        self._alerts, self._delivered, self._metrics, self._sleep = config.alerts, delivered, watch.metrics, sleep
        self._config = config
        self._noting = asyncio.Lock()
        self.target = "webhook" if config.alerts.webhook else "log"
        self.count = 0
        self.open: dict[str, asyncio.Task[None]] = {}
        """Alerts that are tried or wait to be tried again, by id."""
        self.resting: dict[str, Alert] = {}
        """Alerts of muted incidents, by incident."""
        self.failure: BaseException | None = None
        """What must end the role; nothing that an alert holds does."""

    @property
    def owes(self) -> bool:
        """Whether there are alerts that nobody has taken yet."""
        return bool(self.open or self.resting)

    async def deliver(self, alert: Alert) -> None:
        """Try to deliver one alert unless that has been done; returns after the first attempt, whatever came of it."""
        if alert.id in self.open:
            return
        tried = asyncio.Event()
        task = asyncio.create_task(self._until_taken(_Delivery(alert), tried))
        self.open[alert.id] = task
        task.add_done_callback(lambda done: self._ended(alert.id, done))
        await tried.wait()

    async def rested(self) -> None:
        """Deliver what has rested long enough."""
        for alert in list(self.resting.values()):
            await self.deliver(alert)

    def closed(self, incident: str) -> None:
        """Nobody need be told any more."""
        self.resting.pop(incident, None)

    async def stop(self) -> None:
        """Give up what nobody has taken yet; whoever starts next takes it up."""
        tasks = list(self.open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, alert: str, task: asyncio.Task[None]) -> None:
        # What was told to stop is still owed: its offset must not be committed.
        if task.cancelled():
            return
        del self.open[alert]
        self.failure = self.failure or task.exception()

    async def _until_taken(self, one: _Delivery, tried: asyncio.Event) -> None:
        try:
            while not await self._try(one):
                tried.set()
                await self._sleep(_wait_s(one))
        finally:
            tried.set()

    async def _try(self, one: _Delivery) -> bool:
        """One attempt; whether nothing is left to be done: it is taken, it was, or it rests."""
        try:
            return await self._attempt(one)
        except (IsolationError, asyncio.CancelledError):
            raise
        except BrokerError as error:
            if one.taken:
                self._failed("note_failed", one, str(error))
            else:
                self._failed("reading_failed", one, str(error))
        except Exception as error:  # noqa: BLE001 - whatever this alert holds must not keep the others from anybody
            self._failed("delivery_failed", one, f"{type(error).__name__} before it was sent")
        return False

    async def _attempt(self, one: _Delivery) -> bool:
        alert = one.alert
        if not one.taken:
            if alert.id not in self._delivered.ids and not one.looked:
                # What another process of this role has delivered since we looked is known only there.
                await self._alone(self._delivered.load)
                one.looked = True
            if alert.id in self._delivered.ids:
                self._metrics.add("deliveries_total", target=self.target, result="known")
                return True
            if await self._rests(alert):
                return True
            if not one.logged:
                log.warning("alert", alert=alert.id, **alert.payload)
                one.logged = True
            if self._alerts.webhook and not await self._post(self._alerts.webhook, one):
                return False
        one.taken = True
        # Once the webhook has taken it, a broker that is away for a while is no reason to send it again.
        await self._alone(lambda: self._delivered.note(alert, self.target))
        self.count += 1
        self._metrics.add("deliveries_total", target=self.target, result="delivered")
        log.info("delivered", alert=alert.id, target=self.target)
        return True

    async def _rests(self, alert: Alert) -> bool:
        """Whether the alert's incident is muted now; it is kept then."""
        incident = alert.incident
        if incident is None:
            return False
        if not await asyncio.to_thread(muted, self._config, incident, now_ms()):
            self.resting.pop(incident, None)
            return False
        if incident not in self.resting:
            log.info("alert_muted", alert=alert.id, incident=incident)
            self._metrics.add("deliveries_total", target=self.target, result="muted")
        self.resting[incident] = alert
        return True

    async def _post(self, url: str, one: _Delivery) -> bool:
        """Send it once; whether it was taken."""
        timeout = aiohttp.ClientTimeout(total=self._alerts.timeout_ms / 1000)
        headers = {"Content-Type": "application/json", "Idempotency-Key": one.alert.key}
        body = orjson.dumps({"id": one.alert.key, **one.alert.payload})
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                # Where a redirect leads nobody has been asked, and a POST that became a GET has told nothing.
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status // 100 == 2:
                    return True
                problem = f"status {answer.status}"
                if answer.status // 100 == 3:
                    problem += ": a redirect is not followed; set alerts.webhook to the address that takes alerts"
        except Exception as error:  # noqa: BLE001 - the client raises more than its own errors, ValueError among them
            problem = _told(error, url)
        self._metrics.add("deliveries_total", target="webhook", result="failed")
        self._failed("delivery_failed", one, problem)
        return False

    async def _alone(self, call: Callable[[], None]) -> None:
        """Make a blocking call that no other may be beside."""
        async with self._noting:
            await asyncio.to_thread(call)

    def _failed(self, event: str, one: _Delivery, problem: str) -> None:
        one.attempts += 1
        log.warning(event, alert=one.alert.id, attempt=one.attempts, problem=problem, again_in_s=_wait_s(one))


def _wait_s(one: _Delivery) -> float:
    return BACK_OFF_S[min(one.attempts, len(BACK_OFF_S)) - 1]


def _told(error: Exception, url: str) -> str:
    """What went wrong, without the webhook's address: it is often its own password."""
    text = f"{type(error).__name__}: {error}"
    parts = urlsplit(url)
    secrets = [
        one for one in (url, quote(url, safe=URL_SAFE), parts.path.strip("/"), parts.query, parts.password) if one
    ]
    return type(error).__name__ if any(secret in text for secret in secrets) else text
