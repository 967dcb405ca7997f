"""Types of generated Protobuf messages, with a writer of the wire format, in which order and packing are free."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, timestamp_pb2

from shadowstream.codecs.schemas import ProtobufSchema
from tests.compare.proof import scalars
from tests.compare.proof.model import Array, Edit, Field, Map, Record, Scalar, Type, varint
from tests.compare.proof.oracle import Node

FILE = "shop.proto"
_Proto = descriptor_pb2.FieldDescriptorProto
VARINT, EIGHT, LENGTH, FOUR = 0, 1, 2, 5


@dataclass
class Kind(Scalar):
    """A scalar of Protobuf: its number in descriptors, its form on the wire, its default."""

    number: int = 0
    form: int = VARINT
    default: Any = 0


def _whole(label: str, number: int, bits: int, signed: bool = True) -> Kind:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    pool = [n for n in (*scalars.LONGS, 2**64 - 1) if low <= n <= high]
    zigzag = label.startswith("sint")
    write: Callable[[int, Random], bytes] = lambda n, _: varint((n << 1) ^ (n >> 63) if zigzag else n)  # noqa: E731  short
    return Kind(label, None, "int", scalars.any_of(pool), scalars.clamped(low, high), write, number=number)


def _as_in_avro(of: Scalar, number: int, form: int, default: Any, write: Any = None) -> Kind:
    """The scalar of Avro, written as Protobuf does."""
    label, more = f"proto {of.label}", {"number": number, "form": form, "default": default}
    return Kind(label, None, of.kind, of.values, of.near, write or of.write, **more)


KINDS = (
    _whole("int32", _Proto.TYPE_INT32, 32),
    _whole("int64", _Proto.TYPE_INT64, 64),
    _whole("uint64", _Proto.TYPE_UINT64, 64, False),
    _whole("sint64", _Proto.TYPE_SINT64, 64),
    replace(
        _whole("fixed64", _Proto.TYPE_FIXED64, 64, False),
        values=scalars.any_of((0, 1, 2**64 - 1, 2**53 + 1)),
        write=lambda n, _: struct.pack("<Q", n),
        form=EIGHT,
    ),
    _as_in_avro(scalars.DOUBLE, _Proto.TYPE_DOUBLE, EIGHT, 0.0),
    _as_in_avro(scalars.FLOAT, _Proto.TYPE_FLOAT, FOUR, 0.0),
    _as_in_avro(scalars.BOOLEAN, _Proto.TYPE_BOOL, VARINT, False),
    _as_in_avro(scalars.STRING, _Proto.TYPE_STRING, LENGTH, "", lambda t, _: t.encode()),
    _as_in_avro(scalars.BYTES, _Proto.TYPE_BYTES, LENGTH, b"", lambda b, _: b),
)
SYMBOLS = ("NEW", "DONE", "LOST")
ENUM = Kind(
    *("proto enum", "Status", "text", scalars.any_of(SYMBOLS), scalars.another_of(SYMBOLS)),
    lambda s, _: varint(SYMBOLS.index(s)),
    number=_Proto.TYPE_ENUM,
    default="NEW",
)


def _seconds_of(text: str) -> bytes:
    message = timestamp_pb2.Timestamp()
    message.FromJsonString(text)
    return message.SerializeToString()


STAMPS = tuple(f"2026-03-08T07:30:00{end}Z" for end in ("", ".123", ".123456", ".123456789", ".123456123"))
STAMP = Kind(
    *("proto timestamp", "google.protobuf.Timestamp", "text", scalars.any_of(STAMPS), scalars.another_of(STAMPS)),
    lambda s, _: _seconds_of(s),
    number=_Proto.TYPE_MESSAGE,
    form=LENGTH,
    default=None,
)


def tagged(number: int, form: int, payload: bytes) -> bytes:
    """A field on the wire."""
    body = varint(len(payload)) + payload if form == LENGTH else payload
    return varint(number << 3 | form) + body


class Slot(Type):
    """How a message holds a field: `wire` gives its pieces."""

    of: Type

    def wire(self, number: int, value: Any, rng: Random) -> list[bytes]:
        raise NotImplementedError


def payload(of: Type, value: Any, rng: Random) -> tuple[int, bytes]:
    return (of.form if isinstance(of, Kind) else LENGTH), of.raw(value, rng)


@dataclass
class Single(Slot):
    """`presence`: null where it is not set; without it the default."""

    of: Type
    presence: bool
    label: str = "proto field"

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return None if self.presence and rng.random() < 0.2 else self.of.draw(rng, depth)

    def edit(self, rng: Random, value: Any) -> Edit:
        if value is None:
            return Edit(self.of.draw(rng, 2), "presence", (((), "null"),))
        if self.presence and rng.random() < 0.2:
            return Edit(None, "presence", (((), "null"),))
        return self.of.edit(rng, value)

    def node(self, value: Any) -> Node:
        return Node("null") if value is None else self.of.node(value)

    def wire(self, number: int, value: Any, rng: Random) -> list[bytes]:
        if value is None:
            return []
        is_default = isinstance(self.of, Kind) and value == self.of.default
        if is_default and not self.presence and rng.random() < 0.5:
            return []
        return [tagged(number, *payload(self.of, value, rng))]

    def parts(self) -> Any:
        return self.of.parts()


class Repeated(Slot, Array):
    """Numbers packed, or not."""

    @property
    def of(self) -> Type:  # type: ignore[override]  # the element
        return self.items

    def wire(self, number: int, value: Any, rng: Random) -> list[bytes]:
        pieces = [payload(self.items, one, rng) for one in value]
        packable = bool(pieces) and pieces[0][0] != LENGTH
        if packable and rng.random() < 0.5:
            return [tagged(number, LENGTH, b"".join(piece for _, piece in pieces))]
        return [b"".join(tagged(number, form, piece) for form, piece in pieces)]


class Mapping(Slot, Map):
    """A map with texts as keys."""

    def node(self, value: Any) -> Node:
        return super().node(value)._replace(name=None)

    def wire(self, number: int, value: Any, rng: Random) -> list[bytes]:
        found = []
        for name, one in rng.sample(list(value.items()), len(value)):
            entry = tagged(1, LENGTH, name.encode()) + tagged(2, *payload(self.of, one, rng))
            found.append(tagged(number, LENGTH, entry))
        return found


class Message(Record):
    """A message; its fields come in any order."""

    def raw(self, value: Any, rng: Random) -> bytes:
        pieces = []
        for n, f in enumerate(self.fields, 1):
            assert isinstance(f.type, Slot)
            pieces += f.type.wire(n, value[f.name], rng)
        return b"".join(rng.sample(pieces, len(pieces)))


class Shapes(NamedTuple):
    """Two messages with the same fields, and the message that they hold."""

    messages: list[Message]
    inner: Message


def two_messages(rng: Random) -> Shapes:
    """Messages with every kind of field."""

    def kind() -> Kind:
        return rng.choice((*KINDS, ENUM, STAMP))

    inner = Message("shop.Inner", [Field("v", Single(kind(), False)), Field("w", Single(kind(), True))])
    fields = [
        Field("plain", Single(rng.choice(KINDS), False)),
        Field("optional", Single(kind(), True)),
        Field("inner", Single(inner, True)),
        Field("many", Repeated(rng.choice((kind(), inner)), label="proto repeated")),
        Field("named", Mapping(rng.choice((kind(), inner)), label="proto map")),
    ]
    for f in fields:
        if isinstance(f.type, Single) and f.type.of is STAMP:
            f.type.presence = True
    inner.fields = [
        f for f in inner.fields if not (isinstance(f.type, Single) and f.type.of is STAMP and not f.type.presence)
    ]
    return Shapes([Message(f"shop.{name}", fields, label="message") for name in ("Placed", "Cancelled")], inner)


def described(messages: list[Message]) -> ProtobufSchema:
    """The schema of a file with these messages, and the enum."""
    file = descriptor_pb2.FileDescriptorProto(name=FILE, package="shop", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")
    enum = file.enum_type.add(name="Status")
    for n, symbol in enumerate(SYMBOLS):
        enum.value.add(name=symbol, number=n)
    for message in messages:
        _describe(file.message_type.add(name=message.name.rpartition(".")[2]), message)
    stamp = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(stamp)
    return ProtobufSchema(descriptor_pb2.FileDescriptorSet(file=[stamp, file]).SerializeToString(), FILE)


def _describe(into: Any, message: Message) -> None:
    for n, f in enumerate(message.fields, 1):
        slot = f.type
        assert isinstance(slot, Slot)
        one = into.field.add(name=f.name, number=n, label=_Proto.LABEL_OPTIONAL)
        if isinstance(slot, Mapping):
            entry = into.nested_type.add(name=f.name.capitalize() + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_Proto.LABEL_OPTIONAL, type=_Proto.TYPE_STRING)
            _typed(entry.field.add(name="value", number=2, label=_Proto.LABEL_OPTIONAL), slot.of)
            one.label, one.type = _Proto.LABEL_REPEATED, _Proto.TYPE_MESSAGE
            one.type_name = f".{message.name}.{entry.name}"
            continue
        if isinstance(slot, Repeated):
            one.label = _Proto.LABEL_REPEATED
        elif isinstance(slot, Single) and slot.presence and isinstance(slot.of, Kind) and slot.of is not STAMP:
            one.proto3_optional, one.oneof_index = True, len(into.oneof_decl)
            into.oneof_decl.add(name=f"_{f.name}")
        _typed(one, slot.of)


def _typed(one: Any, of: Type) -> None:
    if isinstance(of, Message):
        one.type, one.type_name = _Proto.TYPE_MESSAGE, f".{of.name}"
    elif isinstance(of, Kind):
        one.type = of.number
        if of.of is not None:
            one.type_name = f".{of.of}" if "." in of.of else f".shop.{of.of}"
