"""JSON values of a JSON Schema: read as JSON, and held against the schema.

By jsonschema-rs (docs/decisions/0013): the validator in Python takes longer for a value than all of the rest.
"""

from __future__ import annotations

import json
from typing import Any

from shadowstream.codecs import json_values
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.codecs.schemas import JsonSchema
from shadowstream.errors import ConfigError, RecordError

_SAID_MAX = 200


class JsonReader:
    """Reads texts that must fit one schema.

    Raises `RecordError` (``schema``) for one that is none or refers to what it does not name: nothing is fetched.
    """

    def __init__(self, schema: JsonSchema, named: str, names: json_values.DuplicateNames = "error") -> None:
        try:
            import jsonschema_rs
        except ImportError as error:
            raise ConfigError(f"{named} is a JSON Schema: install shadowstream[jsonschema]") from error
        self._named, self._names = named, names
        self._error = jsonschema_rs.ValidationError
        references = dict(schema.references)

        def retrieve(uri: str) -> Any:
            # A relative name has been made absolute by the validator before it asks.
            name = next((one for one in references if uri == one or uri.endswith(f"/{one}")), None)
            if name is None:
                raise KeyError(f"{uri} is no reference of the schema")
            return json.loads(references[name])

        try:
            self._validator = jsonschema_rs.validator_for(json.loads(schema.text), retriever=retrieve)
        except Exception as error:  # ValueError, ReferencingError, ValidationError, and what `retrieve` raises
            raise RecordError(f"{named} is no usable JSON Schema: {_first(error)}", reason="schema") from error

    def read(self, value: bytes, start: int) -> Any:
        """The value of the text that begins at `start`; raises `RecordError` (``decode``, ``bounds``)."""
        decoded = json_values.read(value[start:], self._names)
        try:
            self._validator.validate(_doubles(decoded))
        except self._error as error:
            raise RecordError(f"{self._named} does not allow it: {_first(error)}", reason="decode") from error
        except (ValueError, OverflowError) as error:  # an int that the validator has no place for
            raise RecordError(f"{self._named} cannot be held against it: {_first(error)}", reason="decode") from error
        return decoded


def _doubles(value: Any) -> Any:
    """The value with the nearest doubles for exact numbers: the validator takes no subclass of float."""
    if isinstance(value, dict):
        return {name: _doubles(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_doubles(inner) for inner in value]
    return float(value) if isinstance(value, ExactFloat) else value


def _first(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:_SAID_MAX]
