"""Publishing of marks by the runner, or by the watcher of an external candidate."""

from collections.abc import Callable
from typing import TypeVar

from shadowstream.kafka.client.client_log import repeated_later
from shadowstream.logs import get_logger

log = get_logger("marks")

T = TypeVar("T")


def publish_marks(publish: Callable[[], T]) -> T | None:
    """Call `publish`; None if the broker does not answer now: the caller repeats it. Raises other `BrokerError`s."""
    with repeated_later(lambda error: log.warning("marks_delayed", error=error)):
        return publish()
