"""Reader of the records of one pair: its input and the values of both sides, by their coordinates in a row of diff."""

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import Message

from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.codecs.side_formats import side_formats
from shadowstream.compare.record_parts import KeyAndHeaders, Parts, RecordParts
from shadowstream.config import Config
from shadowstream.errors import RecordError, ShadowstreamError
from shadowstream.kafka.client.consumers import bounded_consumer
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import offset_of
from shadowstream.kafka.reading.bounded import fail, read_spans, within
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.paths import ABSENT
from shadowstream.records import Partition, Side

LIMIT = within(10.0)


class ReadValue(NamedTuple):
    """A decoded value. `ABSENT`: there is no record, or it could not be used; `problem` has the reason then."""

    where: str
    value: Any = ABSENT
    problem: str | None = None
    parts: KeyAndHeaders | None = None
    """Of an output: what may be compared beside its value."""


class PairRecords(NamedTuple):
    """The records of a pair."""

    input: ReadValue
    production: ReadValue
    candidate: ReadValue
    parts: tuple[Parts, Parts] = ({}, {})
    """The parts beside the values that are compared, where both records were read."""


class PairReader:
    """Reader of pairs of one trial. It assigns partitions, joins no group and commits nothing."""

    def __init__(self, config: Config) -> None:
        self._config, self._parts = config, RecordParts(config.compare)
        schemas = schema_source(config.schemas)
        bounds, names = decoded_bounds(config), config.compare.duplicate_names
        self._of_production = Decoder(schemas, bounds=bounds, names=names, answer=config.production.answer_names)
        self._of_candidate = Decoder(schemas, bounds=bounds, names=names)
        self._of_inputs = Decoder(schemas, config.schemas.formats, bounds, names="plain")

    def read(self, row: Mapping[str, Any]) -> PairRecords:
        """Read the records of a row of diff (schemas/diff.avsc)."""
        formats = side_formats(self._config, row["task"].rpartition("/")[0])
        production = self._side(row["production"], self._of_production.formatted(formats[Side.PRODUCTION]))
        candidate = self._side(row["shadow"], self._of_candidate.formatted(formats[Side.SHADOW]))
        parts: tuple[Parts, Parts] = {}, {}
        if production.parts is not None and candidate.parts is not None:
            parts = self._parts.couple(production.parts, candidate.parts)
        return PairRecords(self.read_input(row), production, candidate, parts)

    def read_input(self, row: Mapping[str, Any]) -> ReadValue:
        """Read the input that a row of diff names."""
        coordinate = row["input"]
        if coordinate is None:
            return ReadValue("", problem="the row names no input")
        topic, partition, offset = coordinate.rsplit("/", 3)[:3]
        return self._value(Partition(topic, int(partition)), int(offset), self._of_inputs.of(topic))

    def _side(self, at: Mapping[str, Any] | None, decoder: Decoder) -> ReadValue:
        if at is None:
            return ReadValue("", problem="there is no record")
        place = Partition(at["topic"], at["partition"])
        return self._value(place, at["offset"], decoder)

    def _value(self, place: Partition, offset: int, decoder: Decoder) -> ReadValue:
        where = f"{place}@{offset}"
        try:
            message = self._message(place, offset)
            if message is None:
                return ReadValue(where, problem="the topic does not hold it any more")
            headers: Any = message.headers()
            key: Any = message.key()
            return ReadValue(where, decoder.decode(message.value(), headers), None, (key, self._parts.kept(headers)))
        except RecordError as error:
            return ReadValue(where, problem=f"cannot be decoded ({error.reason})")  # the text may quote the value
        except ShadowstreamError as error:
            return ReadValue(where, problem=str(error))

    def _message(self, place: Partition, offset: int) -> Message | None:
        with (
            translated_errors("pair"),
            contextlib.closing(bounded_consumer(self._config.kafka, self._config.plan, "pair")) as consumer,
        ):
            for polled in read_spans(consumer, {place: (offset, offset + 1)}, LIMIT, fail):
                for message in polled.records:
                    return message if offset_of(message) == offset else None
        return None
