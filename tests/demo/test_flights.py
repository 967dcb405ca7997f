"""The data: complete, unique, in event-time order, and the same after Avro."""

import csv
import io
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shadowstream.demo import flights
from shadowstream.demo.wire import SCHEMAS, Wire
from shadowstream.errors import ConfigError

NEW_YORK = ZoneInfo("America/New_York")


def test_no_flight_of_the_file_is_lost(year: pa.Table) -> None:
    with zipfile.ZipFile(flights.data_path()) as archive, archive.open("flights.csv") as raw:
        lines = sum(1 for _ in csv.reader(io.TextIOWrapper(raw, "utf-8", newline=""))) - 1
    assert year.num_rows == lines == 336_776


def test_the_id_is_unique_over_the_year(year: pa.Table) -> None:
    assert pc.count_distinct(year["id"]).as_py() == year.num_rows


def test_flights_stand_in_event_time_order(year: pa.Table) -> None:
    times = year["scheduled_ms"].to_numpy()
    assert (times[1:] >= times[:-1]).all()


def test_the_event_time_is_the_local_departure_of_the_id_in_utc(year: pa.Table) -> None:
    for flight in year.take(list(range(0, year.num_rows, 499))).to_pylist():
        local = datetime.fromisoformat(flight["id"].partition("/")[0]).replace(tzinfo=NEW_YORK)
        assert flight["scheduled_ms"] == int(local.timestamp()) * 1000, flight["id"]


def test_cancelled_flights_stay_in_without_a_departure_delay(year: pa.Table) -> None:
    cancelled = year.filter(pc.is_null(year["dep_delay"]))
    assert cancelled.num_rows > 8_000
    assert cancelled["arr_delay"].null_count == cancelled.num_rows


def test_a_record_holds_what_its_schema_says_and_nothing_of_its_arrival(first_flights: list[dict[str, Any]]) -> None:
    (path,) = SCHEMAS.glob("1.flights-value.avsc")
    fields = [field["name"] for field in json.loads(path.read_text("utf-8"))["fields"]]
    assert list(first_flights[0]) == fields == list(flights.FIELDS)


def test_a_limit_takes_the_first_flights(first_flights: list[dict[str, Any]]) -> None:
    assert list(flights.records(7)) == first_flights[:7]
    assert list(flights.records(0)) == []


def test_labels_are_known_for_the_flights_of_the_month_that_arrived(year: pa.Table) -> None:
    january = year.filter(pc.equal(year["month"], 1))
    labels = [late for _, late in flights.labelled(month=1)]
    assert len(labels) == january.num_rows - january["arr_delay"].null_count
    assert sum(labels) == pc.sum(pc.greater(january["arr_delay"], 15)).as_py()


def test_avro_gives_back_every_flight_unchanged(first_flights: list[dict[str, Any]]) -> None:
    wire = Wire(flights.SUBJECT)
    assert [wire.decode(wire.encode(flight)) for flight in first_flights] == first_flights


def test_the_frame_is_a_zero_byte_and_the_schema_id_big_endian(first_flights: list[dict[str, Any]]) -> None:
    assert Wire("flights-value").encode(first_flights[0])[:5] == b"\x00\x00\x00\x00\x01"


def test_a_frame_of_another_schema_is_refused(first_flights: list[dict[str, Any]]) -> None:
    framed = Wire("flights-value").encode(first_flights[0])
    with pytest.raises(ValueError, match="schema id 2"):
        Wire("flight-delays-value").decode(framed)


def test_missing_data_is_reported_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(ConfigError, match="of the extra `demo`, which is not installed here"):
        flights.data_path()
