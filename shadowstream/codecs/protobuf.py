"""Reader of Protobuf messages of a registered schema as Python values, by protobuf's dynamic messages.

The values have the types for which the rules of comparison mean the same as for Avro and JSON:

==========================================  ==========================================================
field                                       value
==========================================  ==========================================================
with presence (message, optional, oneof)    null if it is not set
without presence                            its default if it is not set: both have the same bytes
repeated; a map                             a list; an object, its keys as text
an enum                                     the name of its value, its number if it has no name
``google.protobuf.Timestamp``, `Duration`   its JSON text (RFC 3339, to the nanosecond; ``1.5s``)
float, double, bytes, all integers          float, bytes, int
==========================================  ==========================================================

Fields that the writer schema does not have are an error: they would not be compared.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from shadowstream import extras
from shadowstream.codecs.bounds import DEPTH_MAX, VALUES_MAX
from shadowstream.codecs.protobuf_claims import MessageClaims
from shadowstream.codecs.schemas import ProtobufSchema
from shadowstream.codecs.typed import Message
from shadowstream.errors import RecordError

TEXTS = frozenset(("google.protobuf.Timestamp", "google.protobuf.Duration"))
"""Message types whose values become texts."""
_INDEXES_MAX = 64
_INDEX_BYTES_MAX = 5


class _Field(NamedTuple):
    name: str
    kind: str
    """scalar, enum or message; for a map, the kind of its values."""
    is_map: bool
    is_list: bool
    has_presence: bool
    names: dict[int, str]


class ProtobufReader:
    """Reader of messages of one schema. Framed values name their message type; bare values are of type `message`. With
    `typed`, each value is a `typed.Message`. Raises `RecordError` (``schema``) for unusable descriptors."""

    safe_bytes = 0  # it reads values one by one

    def __init__(
        self,
        schema: ProtobufSchema,
        named: str,
        message: str | None = None,
        typed: bool = False,
        values_max: int = VALUES_MAX,
    ) -> None:
        try:
            from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
            from google.protobuf.message import DecodeError
            from google.protobuf.unknown_fields import UnknownFieldSet
        except ImportError as error:
            raise extras.missing("protobuf", f"{named} is of Protobuf, which", error.name) from error
        self._named, self._message, self._typed = named, message, typed
        self._make: Callable[[Any], Any] = message_factory.GetMessageClass
        self._error, self._unknown = DecodeError, UnknownFieldSet
        self._fields: dict[str, list[_Field]] = {}
        self._classes: dict[tuple[int, ...] | None, Any] = {}
        self._claims = MessageClaims(values_max)
        try:
            # Each schema has its own pool: two schemas may use one name for two messages.
            self._pool = descriptor_pool.DescriptorPool()
            for file in descriptor_pb2.FileDescriptorSet.FromString(schema.descriptors).file:
                self._pool.Add(file)
            self._file = self._pool.FindFileByName(schema.file)
        except Exception as error:  # the pool raises DecodeError, TypeError or KeyError
            raise RecordError(f"{named} has no usable descriptors: {error}", reason="schema") from error

    def read(self, value: bytes, start: int) -> Any:
        """Decode the message that begins at `start`; in a framed value, the indexes of its type come first. Raises
        `RecordError` (``decode``, ``bounds``, or ``schema`` if there is no such message)."""
        indexes = None
        if start:
            indexes, start = self._indexes(value, start)
        kind = self._classes.get(indexes)
        if kind is None:
            kind = self._classes[indexes] = self._make(self._descriptor(indexes))
        try:
            self._claims.check(kind.DESCRIPTOR, value, start)
        except RecordError as error:
            raise RecordError(f"{self._named}: {error}", reason=error.reason) from error
        try:
            message = kind.FromString(value[start:])
        except self._error as error:
            raise RecordError(f"{self._named}: broken after byte {start} of {len(value)}", reason="decode") from error
        if not message.IsInitialized():
            raise RecordError(f"{self._named}: a required field is missing", reason="decode")
        decoded = self._object(message, 1)
        return Message(message.DESCRIPTOR, decoded) if self._typed else decoded

    def _indexes(self, value: bytes, start: int) -> tuple[tuple[int, ...], int]:
        """Read the path of indexes to a message's type: count and indexes are zigzag varints; a single 0 is the first
        type."""
        count, start = self._varint(value, start)
        if not 0 <= count <= _INDEXES_MAX:
            raise RecordError(f"{self._named}: {count} indexes of a message type", reason="framing")
        indexes = []
        for _ in range(count):
            index, start = self._varint(value, start)
            indexes.append(index)
        return tuple(indexes) or (0,), start

    def _varint(self, value: bytes, start: int) -> tuple[int, int]:
        raw = 0
        for n, byte in enumerate(value[start : start + _INDEX_BYTES_MAX]):
            raw |= (byte & 0x7F) << (7 * n)
            if byte < 0x80:
                return (raw >> 1) ^ -(raw & 1), start + n + 1
        raise RecordError(f"{self._named}: ends before the indexes of its message type", reason="framing")

    def _descriptor(self, indexes: tuple[int, ...] | None) -> Any:
        try:
            if indexes is None and self._message is not None:
                return self._pool.FindMessageTypeByName(self._message)
            first, *rest = indexes or (0,)
            if min(first, *rest, 0) < 0:
                raise IndexError(first)
            descriptor = list(self._file.message_types_by_name.values())[first]
            for index in rest:
                # Count like Confluent's serializer for Java: without map entries, which no schema text contains.
                descriptor = [nested for nested in descriptor.nested_types if not nested.GetOptions().map_entry][index]
        except (KeyError, IndexError) as error:
            asked = self._message if indexes is None else f"at {list(indexes)}"
            raise RecordError(f"{self._named} has no message {asked}", reason="schema") from error
        return descriptor

    def _object(self, message: Any, depth: int) -> Any:
        if message.DESCRIPTOR.full_name in TEXTS:
            try:
                return message.ToJsonString()
            except ValueError as error:  # beyond the years 1 to 9999
                raise RecordError(f"{self._named}: {error}", reason="decode") from error
        if depth > DEPTH_MAX:
            raise RecordError(f"nested deeper than {DEPTH_MAX} levels", reason="bounds")
        if len(self._unknown(message)):
            raise RecordError(
                f"{self._named}: {message.DESCRIPTOR.full_name} has fields that the schema does not have; "
                "was it written with another schema?",
                reason="decode",
            )
        name = message.DESCRIPTOR.full_name
        if name not in self._fields:
            self._fields[name] = [_field(field) for field in message.DESCRIPTOR.fields]
        fields = self._fields[name]
        return {field.name: self._value(field, message, depth) for field in fields}

    def _value(self, field: _Field, message: Any, depth: int) -> Any:
        if field.has_presence and not message.HasField(field.name):
            return None
        value = getattr(message, field.name)
        if field.is_map:
            return {_key(name): self._single(field, value[name], depth) for name in value}
        if field.is_list:
            return [self._single(field, item, depth) for item in value]
        return self._single(field, value, depth)

    def _single(self, field: _Field, value: Any, depth: int) -> Any:
        if field.kind == "message":
            return self._object(value, depth + 1)
        return field.names.get(value, value) if field.kind == "enum" else value


def _field(field: Any) -> _Field:
    entry = field.message_type
    is_map = entry is not None and entry.GetOptions().map_entry
    holds = entry.fields_by_name["value"] if is_map else field
    kind = "message" if holds.message_type is not None else "enum" if holds.enum_type is not None else "scalar"
    names = {value.number: value.name for value in holds.enum_type.values} if kind == "enum" else {}
    return _Field(field.name, kind, is_map, field.is_repeated and not is_map, field.has_presence, names)


def _key(name: Any) -> str:
    return str(name).lower() if isinstance(name, bool) else str(name)
