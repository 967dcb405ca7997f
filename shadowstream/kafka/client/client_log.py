"""What the client library says by itself: its errors as events of ours, its raw lines in the debug log.

Left alone it prints raw lines (`%3|…|FAIL|rdkafka#consumer-1| …`) on stderr. An outage is said once with growing waits,
by the supervisor for all its roles where there is one (`role_report`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError

from shadowstream.errors import BrokerError
from shadowstream.kafka import role_report
from shadowstream.kafka.client.errors import UNREACHABLE, is_unreachable
from shadowstream.kafka.outage_log import Outage
from shadowstream.kafka.role_report import Report
from shadowstream.logs import get_logger

log = get_logger("kafka")
_outage = Outage()
REPORT_EVERY_S = 1.0
"""A client that is polled without a broker says it twenty times a second."""


class _Reports:
    """When this process may report an outage again."""

    next_s = 0.0


_reports = _Reports()


class _DebugLog:
    """Takes the client's raw lines as `logging.Logger` would; none is more than a debug line of ours."""

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Called by the client, in a thread of Python's, when it is polled."""
        log.debug("client_line", line=text % arguments)


def settings() -> dict[str, Any]:
    """The settings of a client that concern what it says."""
    return {"error_cb": on_error, "logger": _DebugLog(), "log_level": 3}


def unpolled() -> dict[str, Any]:
    """The same for an admin client, which nobody polls: its lines would only pile up, and its calls fail by themselves
    where no broker answers."""
    return {"error_cb": on_error, "log_level": 0}


def on_error(error: KafkaError) -> None:
    """Say a client's error. That all brokers are down follows upon an error of each, which names its address."""
    if error.code() == KafkaError._ALL_BROKERS_DOWN:
        return
    if error.code() in UNREACHABLE:
        _say_outage(error.str())
    else:
        log.warning("client_error", error=error.str(), fatal=error.fatal())


def is_outage(error: BrokerError) -> bool:
    """Whether an error says only that no broker answers; that is then said as an outage and needs no other line."""
    if not is_unreachable(error):
        return False
    _say_outage(str(error))
    return True


@contextmanager
def repeated_later(log_delay: Callable[[str], object]) -> Iterator[None]:
    """Run work that the caller repeats at its next turn: a broker that does not answer now is no error.

    `log_delay` gets the text of the error. An outage is not passed to it: it has a log line of its own.
    Raises the `BrokerError` if it is not retriable.
    """
    try:
        yield
    except BrokerError as error:
        if not error.retriable:
            raise
        if not is_outage(error):
            log_delay(str(error))


def _say_outage(reason: str) -> None:
    if not role_report.is_supervised():
        _outage.seen(reason)
    elif time.monotonic() >= _reports.next_s:
        _reports.next_s = time.monotonic() + REPORT_EVERY_S
        role_report.send(Report.BROKER_UNREACHABLE, reason)
