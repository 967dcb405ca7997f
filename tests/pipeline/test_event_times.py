"""The newest event time of a partition is that of a record, never that of a transaction's marker."""

from confluent_kafka import Producer

from shadowstream.kafka.reading.event_times import NewestEventTimes
from shadowstream.records import Partition
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import time_ms
from tests.pipeline.written_records import await_that

FAR_MS = 2**62


def test_of_replayed_data_in_transactions_it_is_the_records_time(make_trial: MakeTrial) -> None:
    trial = make_trial("times")
    times, place, empty = NewestEventTimes(trial.config), Partition(trial.output, 0), Partition(trial.output, 1)
    producer = Producer({"bootstrap.servers": trial.bootstrap, "transactional.id": "times"})
    producer.init_transactions(30)
    newest = {place: time_ms(5)}
    for n, end in ((5, 2), (3, 4)):
        producer.begin_transaction()
        producer.produce(trial.output, b"1", b"k", 0, timestamp=time_ms(n))
        assert producer.flush(30) == 0
        assert times.of({place: end - 1}, FAR_MS).get(place) in (None, time_ms(5)), "the transaction is still open"
        producer.commit_transaction(30)
        await_that("the marker has landed", lambda at=end: times.of({place: at, empty: 0}, FAR_MS) == newest)  # type: ignore[misc]  # bound now
