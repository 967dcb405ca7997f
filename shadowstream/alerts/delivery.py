"""Delivery of alerts to all channels, each alert once a channel: a compacted topic of the trial is the ledger.

Every channel has a queue of its own (`channel_queue`), so a channel that refuses or hangs delays no other. A crash may
occur between a channel's answer and the note of it. Then the alert is sent again with the same ``Idempotency-Key``:
delivery is at least once.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence

from shadowstream.alerts.acknowledged_writer import AcknowledgedWriter
from shadowstream.alerts.channel_queue import ChannelQueue, Completion, DeliveryLog
from shadowstream.alerts.channels.channel import Channel, LogChannel
from shadowstream.alerts.channels.http import AlertmanagerChannel, WebhookChannel
from shadowstream.alerts.channels.services import AppriseChannel
from shadowstream.alerts.messages import Alert, State, completed, follow_up_id
from shadowstream.codecs import own
from shadowstream.config import Channel as Settings
from shadowstream.config import Config
from shadowstream.config.alerting import LOG
from shadowstream.errors import RecordError
from shadowstream.health import RoleHealth
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import muted
from shadowstream.kafka.reading.topic_reader import read_topic
from shadowstream.records import Write

READ_TIMEOUT_S = 5.0
LATER = (State.UPDATED, State.RESOLVED)
"""States that a channel gets only after the opening, or its escalation."""
Complete = Callable[[Alert], Awaitable[Alert]]


class Delivered(DeliveryLog):
    """The delivered alerts, in the topic ``deliveries``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config, self._topic = config, config.plan.of("deliveries")
        self._writer = AcknowledgedWriter(config)

    def load(self) -> None:
        """Read the deliveries of earlier processes; raise `BrokerError` if the topic cannot be read."""
        for row in read_topic(self._config.kafka, self._topic, READ_TIMEOUT_S):
            if row.value is None:
                continue
            try:
                record = own.read("delivery", row.value)
            except RecordError:
                continue  # sent again rather than never
            name, at_ms = (record["alert"], record["target"]), record["delivered_at_ms"]
            self.at_ms[name] = min(at_ms, self.at_ms.get(name, at_ms))

    def note(self, alert: Alert, target: str) -> None:
        """Write the delivery of an alert; raise `BrokerError` unless the broker has it."""
        at_ms = now_ms()
        value = own.encode("delivery", {"alert": alert.id, "target": target, "delivered_at_ms": at_ms})
        self._writer.write(Write(self._topic, 0, f"{alert.id}@{target}".encode(), value))
        self.at_ms[alert.id, target] = at_ms


def channels_of(config: Config, revision: str) -> list[Channel]:
    """Return the channels of a config, the log first. Raises `ConfigError` for one that cannot be used."""
    return [LogChannel(), *(_channel(one, config.alerts.timeout_ms, revision) for one in config.alerts.targets)]


def _channel(settings: Settings, timeout_ms: int, revision: str) -> Channel:
    if settings.kind == "webhook":
        return WebhookChannel(settings, timeout_ms)
    if settings.kind == "alertmanager":
        return AlertmanagerChannel(settings, timeout_ms, revision)
    return AppriseChannel(settings)


async def _without_examples(alert: Alert) -> Alert:
    return completed(alert, (), {})


class Deliverer:
    """Sender of alerts to all channels. It repeats each until it is accepted.

    `complete`: adds examples to an alert, once, when the first channel needs it.
    """

    def __init__(
        self,
        config: Config,
        delivered: DeliveryLog,
        watch: RoleHealth,
        channels: Sequence[Channel],
        complete: Complete = _without_examples,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config, self._complete = config, complete
        self.ledger = delivered
        self.queues = [ChannelQueue(channel, delivered, watch.metrics, self._is_muted, sleep) for channel in channels]

    @property
    def open(self) -> list[str]:
        """Ids of the alerts in delivery, by channel."""
        return [alert for queue in self.queues for alert in queue.open]

    @property
    def owes(self) -> bool:
        """Whether an alert is not delivered yet, so that no offset behind it may be committed."""
        return any(queue.open or queue.resting or queue.overflowed for queue in self.queues)

    @property
    def lags(self) -> bool:
        """Whether a queue had no room for an alert and has room now: the topics must be read again."""
        return any(queue.overflowed and queue.has_room for queue in self.queues)

    @property
    def count(self) -> int:
        """Deliveries of this process, without those to the log where there are other channels."""
        counted = [queue for queue in self.queues if queue.target != LOG] or self.queues
        return sum(queue.count for queue in counted)

    @property
    def failure(self) -> BaseException | None:
        """An error that must end the role; the content of an alert never causes one."""
        return next((queue.failure for queue in self.queues if queue.failure is not None), None)

    def deliver(self, alert: Alert) -> None:
        """Start the delivery of an alert to every channel that has not got it."""
        completion = Completion(alert, self._complete)
        for queue in self.queues:
            if alert.state in LATER or queue.channel.escalate_after_s is None:
                queue.add(alert, completion)

    def deliver_to(self, queue: ChannelQueue, alert: Alert) -> None:
        """Start the delivery of an alert to one channel."""
        queue.add(alert, Completion(alert, self._complete))

    def deliver_rested(self) -> None:
        """Start the delivery of the resting alerts again; those that are still muted rest on."""
        for queue in self.queues:
            for alert in [*queue.resting.values()]:
                self.deliver_to(queue, alert)

    def knows(self, opening: str) -> bool:
        """Return whether a channel has an opening, or it is in delivery."""
        return any(queue.has(opening) or opening in queue.open for queue in self.queues)

    def first_delivery_ms(self, alert: str) -> float:
        """Return the time at which a channel first got an alert; infinity if none has."""
        at_ms = (self.ledger.at_ms.get((alert, queue.target)) for queue in self.queues)
        return min((at for at in at_ms if at is not None), default=math.inf)

    def known(self, prefix: str) -> set[str]:
        """Return the ids that begin so, of alerts that a channel has or that are in delivery."""
        return {id_ for id_ in (*self.open, *(id_ for id_, _ in self.ledger.at_ms)) if id_.startswith(prefix)}

    def due(self, queue: ChannelQueue, opening: str) -> bool:
        """Return whether an opening has been known for the time of an escalating channel, and the channel lacks it."""
        after_s, known_ms = queue.channel.escalate_after_s, self.ledger.at_ms.get((opening, LOG))
        if after_s is None or known_ms is None or now_ms() < known_ms + after_s * 1000:
            return False
        alert = follow_up_id(State.ESCALATED, opening)
        return not (queue.has(alert) or alert in queue.open or alert in queue.resting)

    def closed(self, opening: str) -> None:
        """Drop the resting alerts of a closed incident."""
        for queue in self.queues:
            queue.closed(opening)

    def caught_up(self) -> None:
        """Take note that the topics are about to be read again from their beginning."""
        for queue in self.queues:
            queue.overflowed = False

    async def load(self) -> None:
        """Read the ledger. Raises `BrokerError`."""
        await self.ledger.load_since(time.monotonic())

    async def refresh(self) -> None:
        """Let every channel repeat what its receiver forgets otherwise."""
        await asyncio.gather(*(queue.channel.refresh() for queue in self.queues))

    async def stop(self) -> None:
        """Give up undelivered alerts; the next process delivers them."""
        await asyncio.gather(*(queue.stop() for queue in self.queues))

    async def _is_muted(self, incident: str) -> bool:
        return await asyncio.to_thread(muted, self._config, incident, now_ms())
