"""Errors and log lines of the client library: errors as log events, raw lines in the debug log.

By default the client prints raw lines (`%3|…|FAIL|rdkafka#consumer-1| …`) on stderr. An outage is logged once with
growing waits, by the supervisor for all its roles if there is one (`role_report`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError

from shadowstream.errors import BrokerError
from shadowstream.kafka import role_report
from shadowstream.kafka.client.errors import UNREACHABLE, is_unreachable
from shadowstream.kafka.outage_log import OutageLog
from shadowstream.kafka.role_report import Report
from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger

log = get_logger("kafka")
_outage = OutageLog()
_reports = Throttle(1.0)  # a client that is polled without a broker reports the outage twenty times a second


class _DebugLog:
    """Receiver of the client's raw lines, in place of a `logging.Logger`; all of them become debug lines."""

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Called by the client, in a Python thread, when it is polled."""
        log.debug("client_line", line=text % arguments)


def settings() -> dict[str, Any]:
    return {"error_cb": on_error, "logger": _DebugLog(), "log_level": 3}


def on_error(error: KafkaError) -> None:
    """Log a client's error. `_ALL_BROKERS_DOWN` follows an error of each broker, which names its address: skip it."""
    if error.code() == KafkaError._ALL_BROKERS_DOWN:
        return
    if error.code() in UNREACHABLE:
        _log_outage(error.str())
    else:
        log.warning("client_error", error=error.str(), fatal=error.fatal())


def is_outage(error: BrokerError) -> bool:
    """Return whether an error only means that no broker answers; if so, log the outage, with no other line."""
    if not is_unreachable(error):
        return False
    _log_outage(str(error))
    return True


@contextmanager
def repeated_later(log_delay: Callable[[str], object]) -> Iterator[None]:
    """Run work that the caller repeats at its next turn: a broker that does not answer now is no error.

    `log_delay` gets the text of an error that is no outage (`is_outage`). Raises the `BrokerError` if not retriable.
    """
    try:
        yield
    except BrokerError as error:
        if not error.retriable:
            raise
        if not is_outage(error):
            log_delay(str(error))


def _log_outage(reason: str) -> None:
    if not role_report.is_supervised():
        _outage.seen(reason)
    elif _reports.is_due():
        role_report.send(Report.BROKER_UNREACHABLE, reason)
