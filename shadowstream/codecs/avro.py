"""Reader and writer of Avro bodies of one writer schema, by fastavro.

fastavro raises EOFError, IndexError, UnicodeDecodeError, OverflowError and more on broken bytes. The reader
therefore catches every exception, record by record. fastavro's compiled reader has no bound on recursion; see
`bounds`.
"""

import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from fastavro import _read_py, schemaless_reader, schemaless_writer
from fastavro.validation import ValidationError, validate

from shadowstream.codecs.avro_claims import AvroClaims
from shadowstream.codecs.avro_types import as_written, value_in
from shadowstream.codecs.bounds import VALUES_MAX, check_depth, is_deep
from shadowstream.codecs.far_times import with_exact_values, with_far_times
from shadowstream.codecs.schemas import ParsedSchema
from shadowstream.codecs.shapes import fit, shape_of
from shadowstream.errors import CandidateError, RecordError

_Read = Callable[[io.BytesIO, ParsedSchema, None], Any]


class AvroReader:
    """Reader of bodies of one writer schema. Raises `RecordError` (``bounds``) for a schema whose values have no bound.
    With `typed`, values keep their written form, and each value of a union of several types is a `typed.Branch`."""

    def __init__(self, schema: ParsedSchema, named: str, typed: bool = False, values_max: int = VALUES_MAX) -> None:
        self._schema = as_written(schema) if typed else with_exact_values(schema)
        self._named = named
        try:
            self._recursive = is_deep(schema)
        except RecordError as error:
            raise RecordError(f"{named}: {error}", reason=error.reason) from error
        self._claims = AvroClaims(schema, values_max, self._recursive)
        self.safe_bytes = self._claims.safe_bytes
        # On a value that nests too deep, the Python reader raises an error; the compiled one ends the process.
        self._read: _Read = _read_py.schemaless_reader if self._recursive else schemaless_reader
        self._with_far_times = None if typed else with_far_times(self._schema)
        self._typed = typed

    def read(self, value: bytes, start: int) -> Any:
        """Decode the body that begins at `start`; raise `RecordError` (``decode``, ``bounds``)."""
        try:
            self._claims.check(value, start)
        except RecordError as error:
            raise RecordError(f"{self._named}: {error}", reason=error.reason) from error
        buffer = io.BytesIO(value)
        buffer.seek(start)
        try:
            decoded = self._decoded(buffer, start)
        except RecursionError as error:
            raise RecordError(f"{self._named}: nested too deep", reason="bounds") from error
        except Exception as error:
            raise RecordError(
                f"{self._named}: broken at byte {buffer.tell()} of {len(value)}: {_error_text(error)}", reason="decode"
            ) from error
        if buffer.tell() != len(value):
            raise RecordError(
                f"{self._named}: {len(value) - buffer.tell()} bytes left over after the value; "
                "was it written with another schema?",
                reason="decode",
            )
        if self._typed:
            decoded = value_in(decoded)
        if self._recursive:
            check_depth(decoded)
        return decoded

    def _decoded(self, buffer: io.BytesIO, start: int) -> Any:
        try:
            return self._read(buffer, self._schema, None)
        except (OverflowError, ValueError):
            if self._with_far_times is None:
                raise
        buffer.seek(start)
        return self._read(buffer, self._with_far_times, None)

    def read_all(self, values: Sequence[bytes], start: int) -> list[Any] | None:
        """Decode many bodies; None if at least one of them must be read individually by `read`."""
        read, schema, decoded = self._read, self._schema, []
        if self._recursive or self._typed or max(map(len, values), default=0) > self.safe_bytes:
            return None
        try:
            for value in values:
                buffer = io.BytesIO(value)
                buffer.seek(start)
                decoded.append(read(buffer, schema, None))
                if buffer.tell() != len(value):
                    return None
        except Exception:  # noqa: BLE001 - `read` reports which body is broken, and why
            return None
        return decoded


def _error_text(error: Exception) -> str:
    # fastavro prints the memory address of its buffer; the same bytes must give the same text in every run.
    return type(error).__name__ if " at 0x" in str(error) else f"{type(error).__name__}: {error}".rstrip(": ")


class AvroWriter:
    """Strict writer of bodies of one schema.

    fastavro by itself writes 1.5 into an int field as 1, and "no" into a boolean field as true. Here a value that
    does not fit is an error, and so is a field that the schema does not have. numpy scalars count as Python's.
    """

    def __init__(self, schema: ParsedSchema, named: str, prefix: bytes) -> None:
        self._schema, self._named, self._prefix = schema, named, prefix
        self._recursive = is_deep(schema)
        self._shape = None if self._recursive else shape_of(schema)

    def write(self, value: Any) -> bytes:
        """Encode one value as prefix and body; raise `CandidateError` that names the field if it is known."""
        try:
            if self._recursive:
                check_depth(value)
            if not validate(value, self._schema, raise_errors=False):
                value = _plain(value)
                validate(value, self._schema)
            buffer = io.BytesIO()
            buffer.write(self._prefix)
            schemaless_writer(buffer, self._schema, value, strict_allow_default=True)
        except ValidationError as error:
            raise CandidateError(f"output does not fit {self._named}: {_sentence(error)}") from error
        except Exception as error:
            raise CandidateError(f"output does not fit {self._named}: {error}") from error
        return buffer.getvalue()

    def write_many(self, values: Sequence[Any]) -> list[bytes] | None:
        """Encode each value as prefix and body; None unless all surely fit, so that the caller writes them
        individually."""
        if self._shape is None or not fit(values, self._shape):
            return None
        buffer, ends = io.BytesIO(), [0]
        write, tell, schema, prefix = buffer.write, buffer.tell, self._schema, self._prefix
        try:
            for value in values:
                write(prefix)
                schemaless_writer(buffer, schema, value)
                ends.append(tell())
        except Exception:  # noqa: BLE001 - a text that is no UTF-8, a float beyond 32 bits: `write` names the value
            return None
        whole = buffer.getvalue()
        return [whole[begin:end] for begin, end in pairwise(ends)]


def _plain(value: Any) -> Any:
    """Replace numpy scalars and arrays by Python's. Only numpy values have `tolist`."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _sentence(error: ValidationError) -> str:
    # fastavro keeps a list of errors; each holds the dotted path, which begins with the record's full name.
    return "; ".join(str(field_error) for field_error in error.errors) or str(error)
