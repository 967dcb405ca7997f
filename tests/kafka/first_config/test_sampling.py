"""Samples of the newest records on a real broker, whatever their times."""

from collections.abc import Iterable

import pytest

from shadowstream.config import Kafka
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.first_config.sampling import Bounds, sample
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all

FIRST_MS = 1_700_000_000_000
RECORDS, PARTS = 400, 4
BOUNDS = Bounds(100, 1_000_000, 30.0)


@pytest.mark.parametrize(
    ("is_transactional", "until", "expected"),
    [
        (False, RECORDS, range(300, 400)),
        (False, 99, range(100)),  # the outputs lag by more than the sample
        (False, 339, range(240, 340)),
        (True, RECORDS, range(301, 400)),  # the last marker takes one of the offsets
        (True, -1, range(301, 400)),  # no record until then
    ],
)
def test_a_sample_ends_at_the_time_and_not_at_a_marker(
    kafka: Broker, topic_prefix: str, is_transactional: bool, until: int, expected: Iterable[int]
) -> None:
    """The marker that ends a transaction has the wall clock's time, which is above that of replayed records."""
    topic = f"{topic_prefix}replayed"
    create_topics(kafka.bootstrap, {topic: 1})
    rows = [Write(b"%d" % n, b"k", 0, FIRST_MS + n) for n in range(RECORDS)]
    each = RECORDS // PARTS
    for n in range(PARTS):
        part = rows[n * each : (n + 1) * each]
        produce_all(kafka.bootstrap, topic, part, transactional_id=topic if is_transactional else None)
    trial = Kafka(bootstrap=kafka.bootstrap)
    found = sample(trial, admin(trial), topic, 1, BOUNDS, FIRST_MS + until)
    assert found.problem is None
    assert [int(value or b"") for batch in found.batches for value in batch.values] == list(expected)
