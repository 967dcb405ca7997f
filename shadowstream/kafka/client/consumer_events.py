"""What the consumer tells of in place of a record."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from shadowstream.errors import BrokerError
from shadowstream.kafka.client.errors import event_error
from shadowstream.kafka.client.messages import is_begin_gone, is_fatal
from shadowstream.logs import get_logger

log = get_logger("loop")


def check_event(message: Message, error: KafkaError) -> None:
    """Raise where nothing can be read any more; log an error that the client gets over."""
    if is_begin_gone(error):
        raise BrokerError(
            f"{message.topic()}/{message.partition()}: the offset to go on from is gone ({error.str()}); "
            "retention deleted records before they were read: raise it and start a new trial"
        )
    if is_fatal(error):
        raise event_error(error, "consume")
    log.warning("consume_error", topic=message.topic(), partition=message.partition(), error=error.str())
