"""The Faust app: subscribes to drift and verdict, and handles one record at a time.

Deviations from Faust's defaults: concurrency 1 and no noack (records must not overlap or get lost), no tables, no
producer, nothing on disk, no leader topic. A custom transport provides read_committed: a plain app reads aborted
records.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiokafka  # type: ignore[import-untyped]  # it publishes no types
import faust
from faust.app.base import BootStrategy as FaustBootStrategy
from faust.transport.drivers import aiokafka as driver
from yarl import URL

from shadowstream.alerts.credentials import credentials_of
from shadowstream.config import Config
from shadowstream.errors import ConfigError

KINDS = ("drift", "verdict")
SESSION_S = 10.0
SAME_COMPLAINT_S = 10.0
RecordHandler = Callable[[bytes | None, str], Awaitable[None]]


class _RepeatFilter(logging.Filter):
    """A filter that passes each message once in `SAME_COMPLAINT_S`. Without a broker, aiokafka floods the log."""

    def __init__(self) -> None:
        super().__init__()
        self._last_logged: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record; the message without its data identifies it, so that there are few."""
        now, last = time.monotonic(), self._last_logged.get(str(record.msg))
        if last is not None and now - last < SAME_COMPLAINT_S:
            return False
        self._last_logged[str(record.msg)] = now
        return True


class App(faust.App):
    """An app that never commits past a record whose handling has failed. `broken_off`: the error of that record. It
    also commits nothing while `owes` reports an undelivered alert."""

    broken_off: BaseException | None = None
    owes: Callable[[], bool] = staticmethod(lambda: False)

    class BootStrategy(FaustBootStrategy):
        """A boot without Faust's producer, because the role writes with a guarded writer."""

        enable_kafka_producer = False

    def _create_directories(self) -> None:
        """Create nothing: the image's file system is read-only."""


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # read when the consumer starts
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def commit(self, *arguments: Any, **named: Any) -> bool:
        # Faust acknowledges the current event even if its handler is cancelled or fails.
        if isinstance(self.app, App) and (self.app.broken_off is not None or self.app.owes()):
            return False
        done: bool = await super().commit(*arguments, **named)
        return done


class _ReadCommitted(driver.Transport):
    Consumer = _Consumer


def brokers(config: Config) -> list[URL]:
    """Return the bootstrap servers in Faust's form. Raises `ConfigError` for a setting that Faust cannot express."""
    if (problem := config.alerts_problem) is not None:
        raise ConfigError(problem)
    return [URL(f"kafka://{server.strip()}") for server in config.kafka.bootstrap.split(",")]


def make_app(config: Config, take: RecordHandler, instance: str, ready: Callable[[], None]) -> App:
    """Create the app of a trial. `take`: called with each record's value and coordinate; its exception is stored in
    `App.broken_off`, and nothing is committed from then on. `ready`: called once partitions are assigned."""
    # A Faust service logs under the module of its class, here as a part of shadowstream.
    logging.getLogger(__name__).setLevel(logging.WARNING)
    repeat_filter = _RepeatFilter()
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "aiokafka"]:
        logging.getLogger(name).addFilter(repeat_filter)
    urls = brokers(config)
    group = config.plan.group("alerts")
    config.plan.check_group(group, [config.production.group] if config.production.group else [])
    app = App(
        group,
        broker=urls,
        broker_credentials=credentials_of(config.kafka),
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        # Static membership: a killed and restarted process does not wait for the end of its former session.
        consumer_group_instance_id=f"{group}.{instance}",
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=1.0,
        web_enabled=False,
    )
    app.transport = _ReadCommitted(urls, app)
    topics = [config.plan.of(kind) for kind in KINDS]

    @app.agent(app.topic(*topics, value_type=bytes, key_type=bytes), concurrency=1)
    async def alert(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            try:
                await take(event.value, f"{message.topic}/{message.partition}/{message.offset}")
            except BaseException as error:
                app.broken_off = app.broken_off or error
                raise

    @app.on_partitions_assigned.connect(weak=False)
    async def assigned(_app: Any, _assigned: Any, **_: Any) -> None:
        ready()

    return app
