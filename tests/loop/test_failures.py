"""What the client's errors ask for, row by row of the table in `shadowstream.kafka.failures`."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from shadowstream.errors import BrokerError
from shadowstream.kafka.failures import Follows, broker_error, follows, told

SEND, COMMIT = "send_offsets_to_transaction", "commit_transaction"


def error(code: int, *, fatal: bool = False, retriable: bool = False, abort: bool = False) -> KafkaError:
    return KafkaError(code, "said so", fatal, retriable, abort)


@pytest.mark.parametrize(
    ("call", "given", "expected"),
    [
        (COMMIT, error(KafkaError._TIMED_OUT, retriable=True), "retry"),
        (COMMIT, error(KafkaError._TRANSPORT), "exit"),
        (SEND, error(KafkaError._TIMED_OUT, retriable=True), "exit"),
        (SEND, error(KafkaError._TRANSPORT, retriable=True, abort=True), "exit"),
        (SEND, error(KafkaError.NOT_COORDINATOR, retriable=True, abort=True), "exit"),
        (SEND, error(KafkaError.OFFSET_METADATA_TOO_LARGE, abort=True), "rewind"),
        (SEND, error(KafkaError.ILLEGAL_GENERATION, abort=True), "rewind"),
        (COMMIT, error(KafkaError.MSG_SIZE_TOO_LARGE, abort=True), "rewind"),
        (COMMIT, error(KafkaError._FENCED, fatal=True, abort=True), "exit"),
        (SEND, error(KafkaError.FENCED_INSTANCE_ID, abort=True), "exit"),
        ("abort_transaction", error(KafkaError._TIMED_OUT, retriable=True), "exit"),
        ("produce", error(KafkaError._STATE), "exit"),
    ],
)
def test_each_error_has_one_thing_that_follows(call: str, given: KafkaError, expected: Follows) -> None:
    assert follows(given, call) == expected
    assert broker_error(KafkaException(given), call).abortable == (expected == "rewind")


def test_no_exception_of_the_client_leaves_the_edge() -> None:
    with pytest.raises(BrokerError, match=r"consume: _ALL_BROKERS_DOWN: said so") as caught, told("consume"):
        raise KafkaException(error(KafkaError._ALL_BROKERS_DOWN))
    assert isinstance(caught.value.__cause__, KafkaException)
