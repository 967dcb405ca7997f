"""Presence of a role that works outside any group: its process is the member of a group, which `down` and `list` see.

The judge assigns its partitions to itself, and the watcher of an external candidate reads no records. Without this,
both would look stopped while they run. The member reads nothing and commits nothing.
"""

import contextlib
import threading
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.kafka.client.consumers import SESSION, client_config, make_client
from shadowstream.logs import get_logger

log = get_logger("presence")
SUFFIX = ".present"
TURN_S = 0.5
LEAVE_S = 5.0
_SETTINGS = {**SESSION, "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 5_000}
"""`starts` may be created after this process has begun: its client looks for the topic as often as this."""


def role_of(group: str) -> str:
    """Return the role that a group's name shows, without the trial's prefix.

    >>> role_of("judge.present"), role_of("joiner")
    ('judge', 'joiner')
    """
    return group.removesuffix(SUFFIX)


@contextlib.contextmanager
def shown(config: Config, role: str) -> Iterator[None]:
    """Be a member of the role's group of presence in this context. A failure of it is logged and ends nothing."""
    over = threading.Event()
    thread = threading.Thread(target=_be_present, args=(config, role, over), name="presence", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LEAVE_S)


def _be_present(config: Config, role: str, over: threading.Event) -> None:
    group = config.plan.group(role) + SUFFIX
    try:
        consumer = make_client(Consumer, client_config(config.kafka, **_SETTINGS, **{"group.id": group}))
    except ConfigError:
        return  # the role's own clients report it
    try:
        consumer.subscribe([config.plan.of("starts")], on_assign=_take_nothing)
        while not over.is_set():
            consumer.poll(TURN_S)
    except KafkaException as error:
        log.warning("not_shown", group=group, error=error.args[0].str())
    finally:
        with contextlib.suppress(KafkaException):
            consumer.close()


def _take_nothing(consumer: Consumer, _partitions: list[TopicPartition]) -> None:
    consumer.assign([])
