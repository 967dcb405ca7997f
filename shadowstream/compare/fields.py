"""A view of one side's values by path, as columns if the decoder has them. Slices, checks and means read values through
it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shadowstream.codecs.columns import as_numpy
from shadowstream.codecs.decoder import Decoder
from shadowstream.compare import lockstep
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.dimension_codes import ABSENT as ABSENT_NAME
from shadowstream.compare.dimension_codes import UNDECODABLE, Coded, coded, name_of
from shadowstream.errors import RecordError
from shadowstream.paths import value_at

COLUMNS_FROM = 64


class Numbers(NamedTuple):
    """A column of numbers as doubles, and the mask of those that are null."""

    values: npt.NDArray[np.float64]
    nulls: npt.NDArray[np.bool_]


class Fields:
    """Decoded values of one side, each by its own schema. Raises `RegistryError` like a decoder."""

    def __init__(self, decoder: Decoder, values: Sequence[bytes | None]) -> None:
        self._decoder, self._values = decoder, values
        self._rows: Sequence[Any] | None = None
        self._batch: pa.RecordBatch | None = None
        if len(values) >= COLUMNS_FROM and (decoder.has_columns(values) or decoder.has_one_head(values)):
            read = decoder.columns(cast("Sequence[bytes]", values))
            if read is not None and len(read[1]) == len(values):
                self._batch = read[0]
        if self._batch is None:
            self._rows = decoder.decode_many(values)

    def at(self, path: Sequence[str]) -> Sequence[Any]:
        """Each value's part at a path: `differences.ABSENT` if there is none, a `RecordError` if the value is
        undecodable."""
        column = self._column(path)
        if column is not None:
            return column.to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
        return [self._part(raw, value, path) for raw, value in zip(self._values, self._decoded(), strict=True)]

    def coded(self, path: Sequence[str]) -> Coded:
        """The names (`dimension_codes.name_of`) of the values at a path."""
        column = self._column(path)
        if column is not None:
            encoded = column.dictionary_encode()
            names = [name_of(value) for value in encoded.dictionary.to_pylist()]
            codes = as_numpy(encoded.indices).astype(np.int64)
            if column.null_count:
                codes[~as_numpy(column.is_valid())] = len(names)
            return Coded(codes, [*names, name_of(None)])
        return coded(map(_name, self.at(path)))

    def numbers(self, path: Sequence[str]) -> Numbers | None:
        """The numbers at a path, if a column of numbers holds them."""
        column = self._column(path)
        if column is None or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            return None
        nulls = ~as_numpy(column.is_valid()) if column.null_count else np.zeros(len(column), np.bool_)
        return Numbers(as_numpy(column.fill_null(0) if column.null_count else column).astype(np.float64), nulls)

    def _column(self, path: Sequence[str]) -> pa.Array | None:
        """The column of a path; None unless rows give values of the same types."""
        if self._batch is None or not path or path[0] not in self._batch.schema.names:
            return None
        column = self._batch.column(path[0])
        for name in path[1:]:
            kind = column.type
            if not pa.types.is_struct(kind) or column.null_count or kind.get_field_index(name) < 0:
                return None
            column = column.field(kind.get_field_index(name))
        types = pa.types
        kind = column.type
        plain = types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind) or types.is_boolean(kind)
        return column if plain else None

    def _decoded(self) -> Sequence[Any]:
        if self._rows is None:
            self._rows = self._decoder.decode_many(self._values)
        return self._rows

    @staticmethod
    def _part(raw: bytes | None, value: Any, path: Sequence[str]) -> Any:
        if raw is None or isinstance(value, RecordError):  # a tombstone has no parts
            return ABSENT if raw is None else value
        return value_at(value, path)


def coded_fields(decoder: Decoder, values: Sequence[bytes | None], paths: Sequence[Sequence[str]]) -> list[Coded]:
    """The names (`dimension_codes.name_of`) of the values at each path; by the native kernel if it can give them."""
    if len(values) >= COLUMNS_FROM and not decoder.has_columns(values):
        found = lockstep.coded(decoder, values, paths)
        if found is not None:
            return found
    fields = Fields(decoder, values)
    return [fields.coded(path) for path in paths]


def _name(value: Any) -> str:
    if value is ABSENT:
        return ABSENT_NAME
    return UNDECODABLE if isinstance(value, RecordError) else name_of(value)
