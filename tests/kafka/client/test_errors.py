"""What the client's errors ask for, row by row of the table in `shadowstream.kafka.client.errors`."""

from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client.consumers import (
    admin,
    group_consumer,
    plain_writer,
    reading_consumer,
    transactional_writer,
)
from shadowstream.kafka.client.errors import (
    Consequence,
    TranslatingClient,
    broker_error,
    code_of,
    consequence,
    translated_errors,
)
from shadowstream.kafka.reading.topic_reader import offset_range
from shadowstream.testing.ports import free_port
from tests.least_config import least_config

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
def test_each_error_has_one_thing_that_follows(call: str, given: KafkaError, expected: Consequence) -> None:
    assert consequence(given, call) == expected
    assert broker_error(KafkaException(given), call).abortable == (expected == "rewind")


def test_no_exception_of_the_client_leaves_the_edge() -> None:
    with (
        pytest.raises(BrokerError, match=r"consume: _ALL_BROKERS_DOWN: said so") as caught,
        translated_errors("consume"),
    ):
        raise KafkaException(error(KafkaError._ALL_BROKERS_DOWN))
    assert isinstance(caught.value.__cause__, KafkaException)


@pytest.mark.parametrize("method", [name for name in dir(Consumer) if not name.startswith("_")])
def test_every_consumer_error_names_its_call_owner_and_remedy(method: str) -> None:
    class Failing:
        """Every call of it fails."""

        def __getattr__(self, name: str) -> Any:
            def call(*_: Any, **__: Any) -> None:
                raise KafkaException(error(KafkaError.TOPIC_AUTHORIZATION_FAILED))

            return call

    with pytest.raises(BrokerError) as caught:
        getattr(TranslatingClient(Failing(), "shadow.t.joiner"), method)()
    assert str(caught.value) == (
        f"{method} (shadow.t.joiner): TOPIC_AUTHORIZATION_FAILED: said so; grant what `shadowstream topics acls` prints"
    )
    assert code_of(caught.value) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_consumers_are_given_out_telling() -> None:
    settings = least_config(kafka={"bootstrap": f"127.0.0.1:{free_port()}"})
    for consumer in (group_consumer(settings, "joiner", "0"), reading_consumer(settings.kafka, settings.plan, "marks")):
        with pytest.raises(BrokerError, match=r"seek \(shadow\.t\.(joiner|marks)\): "):
            consumer.seek(TopicPartition("in", 0, 5))
        consumer.close()


def test_offsets_that_no_broker_tells_are_asked_for_again_in_our_words() -> None:
    settings = least_config(kafka={"bootstrap": f"127.0.0.1:{free_port()}"})
    consumer = reading_consumer(settings.kafka, settings.plan, "joiner.marks")
    with pytest.raises(BrokerError, match=r"^shadow\.t\.progress/0: no offsets: .*kafka\.bootstrap") as caught:
        offset_range(consumer, TopicPartition("shadow.t.progress", 0), 0.5)
    assert caught.value.retriable


@pytest.mark.parametrize("make", [admin, group_consumer, reading_consumer, transactional_writer, plain_writer])
def test_a_value_that_the_client_does_not_know_is_the_operators_error(make: Any) -> None:
    settings = least_config(kafka={"client": {"broker.address.family": "v9"}})
    arguments = {
        admin: (settings.kafka,),
        group_consumer: (settings, "joiner"),
        reading_consumer: (settings.kafka, settings.plan, "marks"),
        transactional_writer: (settings, "joiner", "0"),
        plain_writer: (settings,),
    }
    with pytest.raises(ConfigError, match=r'^kafka\.client: Invalid value "v9" for configuration property'):
        make(*arguments[make])
