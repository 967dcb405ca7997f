"""Reader of JSON values with a JSON Schema: parse, then validate.

The validator is jsonschema-rs (docs/decisions/0013): validation in Python takes longer than all other work on a
value.
"""

import json
from typing import Any

from shadowstream.codecs import json_values
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.codecs.schemas import JsonSchema
from shadowstream.errors import ConfigError, RecordError

_ERROR_CHARS_MAX = 200


class JsonReader:
    """Reader of texts that must conform to one schema. Raises `RecordError` (``schema``) for an invalid schema or a
    missing reference. Nothing is fetched."""

    def __init__(self, schema: JsonSchema, named: str, names: json_values.DuplicateNames = "error") -> None:
        try:
            import jsonschema_rs
        except ImportError as error:
            raise ConfigError(f"{named} is a JSON Schema: install shadowstream[jsonschema]") from error
        self._named, self._names = named, names
        self._error = jsonschema_rs.ValidationError
        references = dict(schema.references)

        def retrieve(uri: str) -> Any:
            # The validator makes a relative name absolute before it calls this function.
            name = next((known for known in references if uri == known or uri.endswith(f"/{known}")), None)
            if name is None:
                raise KeyError(f"{uri} is no reference of the schema")
            return json.loads(references[name])

        try:
            self._validator = jsonschema_rs.validator_for(json.loads(schema.text), retriever=retrieve)
        except Exception as error:  # ValueError, ReferencingError, ValidationError, and errors of `retrieve`
            raise RecordError(f"{named} is no usable JSON Schema: {_first_line(error)}", reason="schema") from error

    def read(self, value: bytes, start: int) -> Any:
        """Parse and validate the text that begins at `start`; raise `RecordError` (``decode``, ``bounds``)."""
        decoded = json_values.read(value[start:], self._names)
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
