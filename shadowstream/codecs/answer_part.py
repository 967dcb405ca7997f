"""The part of a value that is production's answer (`production.answer`): as value and as columns.

A record that holds request and answer is decoded whole, and the answer is taken out. A record without the answer is
unusable (`RecordError`, reason ``answer``); a null there is an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from shadowstream.codecs.readers import Reader
from shadowstream.codecs.schemas import ProtobufSchema, Schema
from shadowstream.codecs.typed import Branch
from shadowstream.errors import RecordError
from shadowstream.paths import ABSENT, join_path, value_at

REASON = "answer"


class AnswerReader:
    """Reader of the answer in bodies that another reader decodes."""

    safe_bytes: int

    def __init__(self, whole: Reader, names: Sequence[str]) -> None:
        self._whole, self._names, self.safe_bytes = whole, names, whole.safe_bytes

    def read(self, value: bytes, start: int) -> Any:
        """Decode the body that begins at `start`, and return its answer; raise `RecordError`."""
        found = self._whole.read(value, start)
        for name in self._names:
            found = value_at(found.value if isinstance(found, Branch) else found, (name,))
        if found is ABSENT:
            raise RecordError(
                f"the record has no field {join_path(self._names)}, which holds production's answer", reason=REASON
            )
        return found


def refuse_messages(schema: Schema) -> None:
    """Raise `RecordError` for a schema whose values have an answer that cannot be taken out."""
    if isinstance(schema, ProtobufSchema):
        raise RecordError("production.answer reads JSON and Avro, and this record is Protobuf", reason=REASON)


def columns_of_answer(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch | None:
    """Return the columns of the answer; None if it is no record in every value, so that rows must be read."""
    for name in names:
        index = batch.schema.get_field_index(name)
        if index < 0 or not pa.types.is_struct(batch.schema.field(index).type) or batch.column(index).null_count:
            return None
        batch = pa.RecordBatch.from_struct_array(batch.column(index))
    return batch
