"""Reader of JSON values with a JSON Schema: parse, then validate.

The validator is jsonschema-rs (docs/decisions/0013): validation in Python takes longer than all other work on a
value.
"""

import json
from typing import Any

from shadowstream import extras
from shadowstream.codecs import json_values
from shadowstream.codecs.bounds import VALUES_MAX
from shadowstream.codecs.json_schema_work import check_work
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.codecs.schemas import JsonSchema
from shadowstream.errors import RecordError

_ERROR_CHARS_MAX = 200


class JsonReader:
    """Reader of texts that must conform to one schema. Raises `RecordError` (``schema``) for an invalid schema or a
    missing reference. Nothing is fetched."""

    safe_bytes = 0  # it reads values one by one

    def __init__(
        self,
        schema: JsonSchema,
        named: str,
        names: json_values.DuplicateNames = "error",
        values_max: int = VALUES_MAX,
    ) -> None:
        try:
            import jsonschema_rs
        except ImportError as error:
            raise extras.missing("jsonschema", f"{named} is a JSON Schema, which", error.name) from error
        self._named, self._names, self._values_max = named, names, values_max
        self._error = jsonschema_rs.ValidationError
        references = dict(schema.references)

        def retrieve(uri: str) -> Any:
            # The validator makes a relative name absolute before it calls this function.
            name = next((known for known in references if uri == known or uri.endswith(f"/{known}")), None)
            if name is None:
                raise KeyError(f"{uri} is no reference of the schema")
            return json.loads(references[name])

        try:
            parsed = json.loads(schema.text)
            check_work(parsed, {name: json.loads(text) for name, text in references.items()})
            self._validator = jsonschema_rs.validator_for(parsed, retriever=retrieve)
        except RecordError as error:
            raise RecordError(f"{named}: {error}", reason=error.reason) from error
        except Exception as error:  # ValueError, ReferencingError, ValidationError, and errors of `retrieve`
            raise RecordError(f"{named} is no usable JSON Schema: {_first_line(error)}", reason="schema") from error

    def read(self, value: bytes, start: int) -> Any:
        """Parse and validate the text that begins at `start`; raise `RecordError` (``decode``, ``bounds``)."""
        decoded = json_values.read(value[start:], self._names, self._values_max)
        try:
            self._validator.validate(_doubles(decoded))
        except self._error as error:
            raise RecordError(f"{self._named} does not allow it: {_first_line(error)}", reason="decode") from error
        except (ValueError, OverflowError) as error:  # an int that the validator cannot represent
            raise RecordError(f"{self._named} cannot validate it: {_first_line(error)}", reason="decode") from error
        return decoded


def _doubles(value: Any) -> Any:
    """Replace exact numbers by the nearest doubles: the validator accepts no subclass of float."""
    if isinstance(value, dict):
        return {name: _doubles(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_doubles(inner) for inner in value]
    return float(value) if isinstance(value, ExactFloat) else value


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:_ERROR_CHARS_MAX]
