"""Queue of one channel: the alerts that it has not accepted yet, each with a back-off of its own.

A channel that rejects one alert still gets the following ones. An alert of a muted incident rests: it is not sent until
the mute ends. If the incident closes, it is dropped. The queue is bounded: an alert without room is left in its topic,
and the topics are read again when there is room (`overflowed`).
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shadowstream.alerts.channels.channel import Channel, Refused
from shadowstream.alerts.messages import NAMED, Alert, State, completed, follow_up_id
from shadowstream.errors import BrokerError, IsolationError
from shadowstream.logs import get_logger
from shadowstream.metrics import Metrics

log = get_logger("alerts")
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
OPEN_MAX = 1_000
"""Most alerts in delivery to one channel."""
Sleep = Callable[[float], Awaitable[None]]
IsMuted = Callable[[str], Awaitable[bool]]


class DeliveryLog:
    """The delivered alerts: the time of delivery by alert and channel. Calls of the broker run one at a time."""

    def __init__(self) -> None:
        self.at_ms: dict[tuple[str, str], int] = {}
        self._calls, self._loaded_at = asyncio.Lock(), -math.inf

    def load(self) -> None:
        """Read the deliveries of other processes."""
        raise NotImplementedError

    def note(self, alert: Alert, target: str) -> None:
        """Record the delivery of an alert."""
        raise NotImplementedError

    async def load_since(self, moment: float) -> None:
        """Load, unless that has been done since a moment of the monotonic clock. Raises `BrokerError`."""
        async with self._calls:
            if self._loaded_at < moment:
                now = time.monotonic()
                await asyncio.to_thread(self.load)
                self._loaded_at = now

    async def record(self, alert: Alert, target: str) -> None:
        """Note a delivery. Raises `BrokerError`."""
        async with self._calls:
            await asyncio.to_thread(self.note, alert, target)


class Completion:
    """The complete form of an alert, with its examples; it is made once, for the first channel that sends it."""

    def __init__(self, alert: Alert, complete: Callable[[Alert], Awaitable[Alert]]) -> None:
        self._alert, self._complete = alert, complete
        self._task: asyncio.Future[Alert] | None = None

    async def get(self) -> Alert:
        if self._task is None:
            self._task = asyncio.ensure_future(self._complete(self._alert))
        return await asyncio.shield(self._task)


@dataclass(slots=True)
class _Delivery:
    """An alert in delivery. `is_accepted`: the channel has it, and only the note of it is missing."""

    alert: Alert
    completion: Completion
    began: float = field(default_factory=time.monotonic)
    attempts: int = 0
    is_accepted: bool = False

    @property
    def wait_s(self) -> float:
        return BACK_OFF_S[min(self.attempts, len(BACK_OFF_S)) - 1]


class ChannelQueue:
    """Alerts for one channel.

    `open`: alerts in delivery, by id. `resting`: alerts of muted incidents, by id. `overflowed`: an alert was left in
    its topic. `failure`: an error that must end the role.
    """

    def __init__(
        self, channel: Channel, ledger: DeliveryLog, metrics: Metrics, is_muted: IsMuted, sleep: Sleep
    ) -> None:
        self.channel, self.target = channel, channel.target
        self._ledger, self._metrics, self._is_muted, self._sleep = ledger, metrics, is_muted, sleep
        self._slots = asyncio.Semaphore(channel.slots)
        self.count = 0
        self.open: dict[str, asyncio.Task[None]] = {}
        self.resting: dict[str, Alert] = {}
        self.overflowed = False
        self.failure: BaseException | None = None
        # Alerts in delivery whose incident has closed since; True: it rested before.
        self._closed: dict[str, bool] = {}

    @property
    def has_room(self) -> bool:
        return len(self.open) < OPEN_MAX // 2

    def has(self, alert: str) -> bool:
        """Return whether the channel has accepted an alert."""
        return (alert, self.target) in self._ledger.at_ms

    def add(self, alert: Alert, completion: Completion) -> None:
        """Start the delivery of an alert, unless it is in delivery."""
        if alert.id in self.open:
            return
        if len(self.open) >= OPEN_MAX:
            if not self.overflowed:
                log.warning("alerts_deferred", target=self.target, open=OPEN_MAX)
            self.overflowed = True
            self._metrics.add("deliveries_total", target=self.target, result="deferred")
            return
        task = asyncio.create_task(self._until_accepted(_Delivery(alert, completion)))
        self.open[alert.id] = task
        task.add_done_callback(lambda done: self._ended(alert.id, done))
        self._metrics.set("deliveries_open", len(self.open), target=self.target)

    def closed(self, opening: str) -> None:
        """Drop the resting alert of a closed incident."""
        alert = self._basis(opening)
        rested = self.resting.pop(alert, None) is not None
        if alert in self.open:
            self._closed[alert] = rested  # its delivery reads the mutes right now, and would keep it anew

    async def stop(self) -> None:
        """Give up undelivered alerts."""
        tasks = list(self.open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _basis(self, opening: str) -> str:
        """Return the id of the alert by which this channel learns of an incident."""
        return opening if self.channel.escalate_after_s is None else follow_up_id(State.ESCALATED, opening)

    def _ended(self, alert: str, task: asyncio.Task[None]) -> None:
        # A cancelled alert is still undelivered: its offset must not be committed.
        self._closed.pop(alert, None)
        if not task.cancelled():
            del self.open[alert]
            self.failure = self.failure or task.exception()
            self._metrics.set("deliveries_open", len(self.open), target=self.target)

    async def _until_accepted(self, delivery: _Delivery) -> None:
        alert = delivery.alert
        if alert.state in (State.UPDATED, State.RESOLVED):
            before = [self.open.get(self._basis(alert.of))]
            updates = (State.UPDATED, NAMED) if alert.state == State.RESOLVED else ()
            before += [self.open.get(follow_up_id(news, alert.of)) for news in updates]
            if tasks := [task for task in before if task is not None]:
                await asyncio.wait(tasks)
        while not await self._try(delivery):
            await self._sleep(delivery.wait_s)

    async def _try(self, delivery: _Delivery) -> bool:
        """Make one attempt; return whether delivery has ended: accepted now or before, resting, or not needed."""
        try:
            async with self._slots:
                return await self._attempt(delivery)
        except (IsolationError, asyncio.CancelledError):
            raise
        except Refused as refused:
            self._metrics.add("deliveries_total", target=self.target, result="failed")
            self._failed("delivery_failed", delivery, str(refused))
        except BrokerError as error:
            if delivery.is_accepted:
                self._failed("note_failed", delivery, str(error))
            else:
                self._failed("reading_failed", delivery, str(error))
        except Exception as error:  # noqa: BLE001 - the content of this alert must not block the others
            self._failed("delivery_failed", delivery, f"{type(error).__name__} before it was sent")
        return False

    async def _attempt(self, delivery: _Delivery) -> bool:
        alert = delivery.alert
        if not delivery.is_accepted:
            if not self.has(alert.id):
                # Only the topic knows the recent deliveries of other processes of this role.
                await self._ledger.load_since(delivery.began)
            if self.has(alert.id):
                self.channel.settled(completed(alert, (), {}))
                self._metrics.add("deliveries_total", target=self.target, result="known")
                return True
            if alert.state in (State.UPDATED, State.RESOLVED) and not self.has(self._basis(alert.of)):
                return True  # the channel knows nothing of the incident
            if await self._rests(alert):
                return True
            await self.channel.send(await delivery.completion.get())
        delivery.is_accepted = True
        # After the channel has accepted the alert, an unavailable broker is no reason to send it again.
        await self._ledger.record(alert, self.target)
        self.channel.settled(await delivery.completion.get())
        self.count += 1
        self._metrics.add("deliveries_total", target=self.target, result="delivered")
        log.info("delivered", alert=alert.id, target=self.target)
        return True

    async def _rests(self, alert: Alert) -> bool:
        """Return whether the alert's incident is muted now, and keep an opening if so. The end is sent all the same."""
        if alert.incident is None or alert.state == State.RESOLVED:
            return False
        is_muted = await self._is_muted(alert.incident)
        rested_before_close = self._closed.get(alert.id)
        if rested_before_close or (is_muted and (rested_before_close is not None or alert.state == State.UPDATED)):
            return True
        if not is_muted:
            self.resting.pop(alert.id, None)
            return False
        if alert.id not in self.resting:
            log.info("alert_muted", alert=alert.id, incident=alert.incident, target=self.target)
            self._metrics.add("deliveries_total", target=self.target, result="muted")
        self.resting[alert.id] = alert
        return True

    def _failed(self, event: str, delivery: _Delivery, problem: str) -> None:
        delivery.attempts += 1
        numbers = {"attempt": delivery.attempts, "again_in_s": delivery.wait_s}
        log.warning(event, alert=delivery.alert.id, target=self.target, problem=problem, **numbers)
