"""Publish marks, whoever makes them: the runner, or the watcher of an external candidate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shadowstream.errors import BrokerError
from shadowstream.kafka.client.client_log import is_outage
from shadowstream.logs import get_logger

log = get_logger("marks")

T = TypeVar("T")


def publish_marks(publish: Callable[[], T]) -> T | None:
    """Call `publish` and return its result; None where the broker does not answer now.

    The caller repeats the call about each second, so nothing is lost: marks only come later. Raises a `BrokerError`
    that is not retriable.
    """
    try:
        return publish()
    except BrokerError as error:
        if not error.retriable:
            raise
        if not is_outage(error):
            log.warning("marks_put_off", error=str(error))
        return None
