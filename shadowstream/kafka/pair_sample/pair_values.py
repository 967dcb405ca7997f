"""The records that rows of diff name, with their whole values: pairs, records without a partner, pairs that agree."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Message

from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.codecs.framing import headed
from shadowstream.codecs.side_formats import side_formats
from shadowstream.compare.comparer import Comparing
from shadowstream.compare.record_parts import Parts
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.pair_sample.row_sample import Row, RowSample, SampledRow
from shadowstream.kafka.reading.records_at import records_at
from shadowstream.kafka.refused_records import OwnRecord
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.paths import without
from shadowstream.protocol.headers import packed_of
from shadowstream.records import REVISION_BYTES, Partition, Side
from shadowstream.suggest.copies import marks_of
from shadowstream.suggest.evidence import InputMarks, ReadPair
from shadowstream.suggest.identities import SingleRecord

AT_ONCE = 250
BYTES_MAX = 128_000_000
"""Bytes of values that are held; pairs beyond are left out, and counted."""
Place = tuple[Partition, int]
_SIDES = {"production": Side.PRODUCTION, "shadow": Side.SHADOW}


class RawPair(NamedTuple):
    """The bytes of a pair as the joiner compares them; `topic`: production's output topic."""

    topic: str
    production: bytes | None
    candidate: bytes | None
    time_ms: int
    parts: tuple[Parts, Parts] = ({}, {})
    """The parts beside the values that are compared."""


class PairValues(NamedTuple):
    """The pairs that were read. `gone`: pairs of which a topic does not hold a record any more; `beyond`: pairs left
    out because of `BYTES_MAX`."""

    pairs: list[ReadPair]
    raw: list[RawPair]
    gone: int
    beyond: int


class PairValuesReader:
    """Reader of the values that rows of one trial name."""

    def __init__(self, config: Config, comparer: Comparing) -> None:
        self._config, self._comparer = config, comparer
        bounds, formats = decoded_bounds(config), config.schemas.formats
        self._of_inputs = Decoder(schema_source(config.schemas), formats, bounds, names="plain")

    def pairs(self, rows: Sequence[SampledRow]) -> PairValues:
        """Read and decode both values of each row, in the order of the rows."""
        found, raw, gone, held = list[ReadPair](), list[RawPair](), 0, 0
        for begin in range(0, len(rows), AT_ONCE):
            if held > BYTES_MAX:
                return PairValues(found, raw, gone, len(rows) - begin)
            part = rows[begin : begin + AT_ONCE]
            sides = (_place(one.row[side]) for one in part for side in _SIDES)
            records = self._records((*sides, *(_input_place(one.row) for one in part)))
            held += sum(len(value) for one in records.values() if (value := _value(one)) is not None)
            for one in part:
                messages = [records.get(_place(one.row[side])) for side in _SIDES]
                if messages[0] is None or messages[1] is None:
                    gone += 1
                    continue
                read = self._read(one, messages[0], messages[1])
                raw.append(read[0])
                found.append(read[1]._replace(input=self._marks(records.get(_input_place(one.row)))))
        return PairValues(found, raw, gone, 0)

    def singles(self, rows: Sequence[Row], side: str) -> list[SingleRecord]:
        """Read the records of one side (production or shadow) that rows without a partner name."""
        records = self._records(_place(row[side]) for row in rows)
        found = []
        for row in rows:
            message = records.get(_place(row[side]))
            if message is not None:
                topic, headers = _topic(row), _headers(message)
                (value,) = self._comparer.of(topic).decode(_SIDES[side], [self._bytes(message, topic, side)])
                named = {name: content for name, content in headers if content is not None}
                found.append(SingleRecord(_key(message), named, value))
        return found

    def agreeing(self, rows: RowSample, ended: Mapping[Partition, "EndedRange"], values_max: int) -> list[Any]:
        """Return production's values of pairs that agree, evenly spread over the records that have ended."""
        total = sum(one.end - one.begin for one in ended.values())
        step = max(1, math.ceil(total / max(1, values_max)))
        wanted = {place: range(one.begin, one.end, step) for place, one in ended.items()}
        found = []
        for message in records_at(self._config, "suggest", wanted):
            place, time_ms = place_of(message), message.timestamp()[1]
            if time_ms >= ended[place].watermark_ms or not rows.agrees(f"{place}/{offset_of(message)}"):
                continue
            raw = self._bytes(message, place.topic, "production")
            (value,) = self._comparer.of(place.topic).decode(Side.PRODUCTION, [raw])
            if value is not None and not isinstance(value, RecordError):
                found.append(value)
        return found

    def _records(self, places: Iterable[Place | None]) -> dict[Place | None, Message]:
        wanted: dict[Partition, set[int]] = {}
        for one in places:
            if one is not None:
                wanted.setdefault(one[0], set()).add(one[1])
        return {(place_of(one), offset_of(one)): one for one in records_at(self._config, "suggest", wanted)}

    def _read(self, sampled: SampledRow, production: Message, candidate: Message) -> tuple[RawPair, ReadPair]:
        row = sampled.row
        topic = _topic(row)
        raw = self._bytes(production, topic, "production"), self._bytes(candidate, topic, "shadow")
        decoded = self._comparer.of(topic).decoded([raw[0]], [raw[1]])
        packed = packed_of(_headers(candidate))
        compared = self._comparer.parts
        parts = compared.couple(*((_key(one), compared.kept(_headers(one))) for one in (production, candidate)))
        times = production.timestamp()[1], candidate.timestamp()[1] if packed is None else packed.emit_time_ms
        pair = ReadPair(
            row["pair_id"], decoded.production[0], decoded.shadow[0], decoded.of_json[0], row["time_ms"], *times,
            sampled.weight, sampled.drawn, None, parts,
        )  # fmt: skip
        return RawPair(topic, *raw, row["time_ms"], parts), pair

    def _marks(self, message: Message | None) -> InputMarks | None:
        """Return the marks of an input without production's answer, where it holds that; None without a usable one."""
        if message is None:
            return None
        headers = _headers(message)
        try:
            value = self._of_inputs.of(place_of(message).topic).decode(_value(message), headers)
        except RecordError:
            return None
        value = without(value, self._config.production.answer_names)
        texts = [one for one in (_key(message), *(content for _, content in headers)) if one is not None]
        return marks_of(value, texts, message.timestamp()[1])

    def _bytes(self, message: Message, topic: str, side: str) -> bytes | None:
        """Return the value of a record, self-describing: with the schema that a header names before it."""
        format = side_formats(self._config, topic)[_SIDES[side]]
        value = _value(message)
        return headed(value, _headers(message), format)[0] if format.header else value


class EndedRange(NamedTuple):
    """Offsets of production's outputs of which the joiner has ended all with event times below `watermark_ms`."""

    begin: int
    end: int
    watermark_ms: float


def ended_ranges(stats: Iterable[OwnRecord], begins: Mapping[Partition, int]) -> dict[Partition, EndedRange]:
    """Return the range of each partition of production's outputs from the stored statistics; `begins`: where the trial
    began. Partitions whose outputs are copied by identity have none: their tasks name the copies."""
    found: dict[Partition, EndedRange] = {}
    newest: dict[str, int] = {}
    for one in stats:
        record = one.record
        topic, _, partition = record["task"].rpartition("/")
        if not topic or not partition.isdecimal():
            continue
        place = Partition(topic, int(partition))
        ends = [source["to_offset"] for source in record["sources"] if _is_at(source, place)]
        before = found.get(place, EndedRange(begins.get(place, 0), 0, -math.inf))
        watermark = before.watermark_ms
        if record["seq"] >= newest.get(record["task"], 0):
            newest[record["task"]] = record["seq"]
            watermark = math.inf if record["complete"] else record["watermark_ms"]
        found[place] = EndedRange(before.begin, max([before.end, *ends]), -math.inf if watermark is None else watermark)
    return {place: one for place, one in found.items() if one.begin < one.end}


def compared_pairs(stats: Iterable[OwnRecord], revision: str) -> Counter[str]:
    """Return the outcomes of one revision in the stored statistics."""
    found = Counter[str]()
    names = (revision, revision[: 2 * REVISION_BYTES])
    for one in stats:
        for window in one.record["windows"]:
            if window["revision"] in names:
                found.update(window["outcomes"])
    return found


def _is_at(source: Mapping[str, Any], place: Partition) -> bool:
    return (source["topic"], source["partition"]) == place


def _topic(row: Mapping[str, Any]) -> str:
    return str(row["task"]).rpartition("/")[0]


def _place(at: Mapping[str, Any] | None) -> Place | None:
    return None if at is None else (Partition(at["topic"], at["partition"]), at["offset"])


def _input_place(row: Mapping[str, Any]) -> Place | None:
    if row["input"] is None:
        return None
    topic, partition, offset = row["input"].rsplit("/", 3)[:3]
    return Partition(topic, int(partition)), int(offset)


def _value(message: Message) -> bytes | None:
    value: Any = message.value()
    return None if value is None else bytes(value)


def _key(message: Message) -> Any:
    return message.key()


def _headers(message: Message) -> Any:
    return message.headers() or []
