"""Readers of foreign bytes, each with examples of what it reads and the errors that it may raise."""

import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from shadowstream import configfile
from shadowstream.codecs import own
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import SCHEMA_HEADER, framed
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.config import Format, Rule
from shadowstream.errors import ConfigError, IsolationError, RecordError
from shadowstream.joiner.completeness.marks_log import MarksLog, position_of
from shadowstream.joiner.intake.equivalent_ids import equal_form
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.recovery.task_commit import is_usable
from shadowstream.paths import parse_one
from shadowstream.protocol import headers
from shadowstream.protocol.join_id import found_in_broken
from shadowstream.protocol.marks import Counters
from shadowstream.records import InputCoordinate
from shadowstream.runner import commit_metadata
from shadowstream.worker.values import packed, unpacked
from tests.bombs.texts import least
from tests.codecs.test_blame import AVRO, EVERY, FORMATS, RECURSIVE, TEXTS, Source

Read = Callable[[bytes], Any]
SOURCE = Source()
RULES = RuleSet([Rule(path="score", atol=0.5), Rule(path="at", round_ms=1000), Rule(path="map.*", rtol=0.1)])
TRIAL = b"""name: fraud
kafka: {bootstrap: "${KAFKA:-localhost:9092}"}
inputs: [payments]
production: {outputs: [scores], group: fraud-model, commits: after_output}
candidate: {call: "fraud_v2.model:score", takes: batch, limits: {memory_bytes: 100000000}}
identity: {kind: id, path: "order.id"}
compare:
  rules:
    - {path: "items[0].score", atol: 0.000001}
    - {path: model_version, ignore: true}
judge: {window_ms: 60000}
"""


class Target(NamedTuple):
    """A reader, examples that are changed, and the errors that are its answer to bytes it cannot read."""

    read: Read
    examples: list[bytes]
    answers: tuple[type[BaseException], ...] = (RecordError,)


def _values() -> list[bytes]:
    every = (
        b"\2\1" + b"\2" * 3 + b"\x48" + b"00000000-0000-0000-0000-000000000000" + b"ab" + b"\0" + b"\2\2a\2" + bytes(9)
    )
    texts = [b'{"n": 1, "score": 0.5, "at": "2024-02-29T01:02:03Z"}', b"[1e400, -0.0, {}]", b'"\\ud83d\\ude00"']
    nodes = b"".join(b"\2" for _ in range(5)) + b"\0"
    avro = [framed(EVERY) + every, framed(RECURSIVE) + nodes, framed(AVRO) + b"\2\2\2\2\2\2"]
    protobuf = [framed(5) + b"\0\x0a\1a\x12\5\x0a\1b\x12\0", b"\x1a\x08" + bytes(8)]
    return [*texts, *avro, *protobuf, framed(TEXTS) + texts[0]]


def _decoding(format: Format) -> Read:
    decoder = Decoder(SOURCE, format=format)
    header = [(SCHEMA_HEADER, framed(EVERY))] if format.header else None

    def read(value: bytes) -> None:
        # Many values are read by columns, where a schema has them.
        more = 69 if zlib.crc32(value) % 8 == 0 else 1
        found = decoder.decode_many([value, *[value[:-1] or b"1"] * more], [header] * (1 + more) if header else ())
        found += decoder.typed.decode_many([value], [header] if header else ())
        for one in found:
            if isinstance(one, RecordError) and "more memory than there is" in str(one):
                raise MemoryError(str(one))
        decoder.decode(value)

    return read


def _comparing(value: bytes) -> None:
    """Values of both sides: each with the changed one, and the changed one with itself."""
    other = b'{"n": 1, "score": 0.25, "at": "2024-02-29T01:02:03.5Z"}'
    compare_pairs([value, other, value], [other, value, value], Decoder(SOURCE), Decoder(SOURCE), RULES)


def _config(value: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        Path(file.name).write_bytes(value)
        configfile.load(file.name, {})


def _header(value: bytes) -> None:
    headers.packed_of([(headers.PACKED_HEADER, value)])
    headers.text_coordinate(value, ["payments"])
    for read in (headers.unpack, headers.unpack_origin):
        try:
            read(value)
        except RecordError:
            continue


def _own(value: bytes) -> None:
    name, record = own.decode(value)
    own.as_json(record)
    own.read(name, value)
    if name == "state":
        is_usable(record)


def _metadata(value: bytes) -> None:
    text = value.decode("latin-1")
    for read in (checkpoint.decode, commit_metadata.of_metadata, commit_metadata.kept_of):
        try:
            read(text)
        except ConfigError:
            continue


def _marks(value: bytes) -> None:
    try:
        position_of(value)
        MarksLog("00" * 8).restore(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        return  # `is_usable` asks before it is restored


def _texts(value: bytes) -> None:
    equal_form(value)
    found_in_broken(value, ["a", "b"])
    parse_one(value.decode("latin-1"))


def _own_records() -> list[bytes]:
    return [own.encode(name, least(own.schema(name), {})) for name in own.NAMES]


_AT = InputCoordinate(0, 3, 12, 0)
_ANSWER = packed(["done", [1, 2], [("a", "b")]]) + packed([{"a": 1.5, "b": [1, 2**70]}])
_COUNTERS = commit_metadata.to_metadata("00" * 8, Counters(read=3), commit_metadata.StateNote(7, [0]))
TARGETS = {
    **{
        f"values {n} {format.format}{' header' * format.header}": Target(_decoding(format), _values())
        for n, format in enumerate(FORMATS)
    },
    "comparison": Target(_comparing, _values()),
    "config": Target(_config, [TRIAL], (ConfigError, IsolationError)),
    "headers": Target(_header, [headers.pack("00" * 8, _AT, 5, 6), headers.pack_origin(3, 12), b"payments/3/17/0"]),
    "our topics": Target(_own, _own_records()),
    "commit metadata": Target(
        _metadata, [checkpoint.encode(checkpoint.Checkpoint(3, 20, frozenset([5, 6, 9]))).encode(), _COUNTERS.encode()]
    ),
    "marks": Target(_marks, [MarksLog("00" * 8).snapshot()], (ConfigError,)),
    "candidate's answers": Target(unpacked, [_ANSWER, packed([(1, 2), 2**70])], (Exception,)),
    "ids and paths": Target(
        _texts, [b'{"b": 1, "a": [2]}', rb"a.b\.c[0].*", framed(1) + b'{"a":{"b":1}}'], (ConfigError,)
    ),
}
"""By the name of what is read."""
