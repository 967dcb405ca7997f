"""Bounds on the memory, the time and the stack that a few bytes can claim.

Three shapes need a bound. The first is a list whose items take no bytes (``array<null>``): five bytes can claim 20
million items. The second is a value of many small parts: a list of empty lists takes 60 times its bytes of memory. Its
parts are counted before any of them is made (`ValuesMax`). The third is depth: a recursive schema needs one byte a
level, JSON one bracket. fastavro's compiled reader ends the whole process with a segmentation fault somewhere between
900 and 5,000 levels, and comparison is recursive too.
"""

from typing import Any, NamedTuple

from shadowstream.codecs.typed import Branch
from shadowstream.errors import RecordError

DEPTH_MAX = 100
"""Maximum levels of lists and objects in one value."""

BYTES_MAX = 10_000_000
VALUES_MAX = 100_000
"""Maximum values (fields, items, entries) in one record, by default: some 25 MB of memory and 0.1 s of CPU time."""


class DecodedBounds(NamedTuple):
    """Bounds of one record (config `limits.decoded_bytes_max`, `decoded_values_max`), and whether native code may read
    many at once (config `schemas.native`)."""

    bytes_max: int = BYTES_MAX
    values_max: int = VALUES_MAX
    native: bool = True


class ValuesMax:
    """The number of values that a record may still claim."""

    def __init__(self, values_max: int) -> None:
        self._max = self._left = values_max

    def take(self, count: float) -> None:
        """Count values; raise `RecordError` (``bounds``) if they are too many."""
        self._left -= count  # type: ignore[assignment]  # infinity is the count of a record that can never be read
        if self._left < 0:
            raise too_many(self._max)


def too_many(values_max: int) -> RecordError:
    return RecordError(f"holds more than {values_max} values (limits.decoded_values_max)", reason="bounds")


def too_deep() -> RecordError:
    return RecordError(f"nested deeper than {DEPTH_MAX} levels", reason="bounds")


_LEAST_BYTES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}


def check_depth(value: Any) -> None:
    """Raise `RecordError` (reason ``bounds``) if `value` nests deeper than `DEPTH_MAX`.

    >>> check_depth([[1], {"a": [2]}])
    """
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        # Keyed by identity: a candidate's value may hold the same list twice on each of 50 levels, or hold itself.
        below: dict[int, Any] = {}
        for part in level:
            if isinstance(part, Branch):  # the union around it adds no level
                part = part.value
            if isinstance(part, dict):
                below.update((id(inner), inner) for inner in part.values())
            elif isinstance(part, list | tuple):
                below.update((id(inner), inner) for inner in part)
        if not below:
            return
        level = list(below.values())
    raise too_deep()


def is_deep(schema: Any) -> bool:
    """Whether values of a parsed schema may nest deeper than `DEPTH_MAX`; raise `RecordError` for items of no bytes.

    >>> is_deep({"type": "array", "items": "long"})
    False
    >>> is_deep({"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]})
    True
    >>> is_deep({"type": "array", "items": "null"})
    Traceback (most recent call last):
    ...
    shadowstream.errors.RecordError: the schema has an array of items that take no bytes: ...
    """
    walk = _SchemaWalk(schema)
    walk.least_bytes(schema)
    return walk.recursive or walk.levels(schema) > DEPTH_MAX


class _SchemaWalk:
    def __init__(self, schema: Any) -> None:
        self.recursive = False
        # Only this dict holds types of other files (references of a registry).
        self._named: dict[str, Any] = dict(schema.get("__named_schemas", {})) if isinstance(schema, dict) else {}
        self._sizes: dict[str, int] = {}
        self._open: set[str] = set()
        self._levels: dict[str, int] = {}

    def least_bytes(self, schema: Any) -> int:
        """The minimum number of bytes that a value of `schema` takes."""
        if isinstance(schema, list):
            return 1 + min((self.least_bytes(branch) for branch in schema), default=0)
        if isinstance(schema, str):
            return _LEAST_BYTES[schema] if schema in _LEAST_BYTES else self._by_name(schema)
        kind = schema["type"]
        if kind == "array":
            if self.least_bytes(schema["items"]) == 0:
                raise RecordError(
                    "the schema has an array of items that take no bytes: a few bytes could claim any number of them; "
                    "give the items a field, or count them in a number",
                    reason="bounds",
                )
            return 1
        if kind == "map":
            self.least_bytes(schema["values"])
            return 1
        if kind in ("record", "error", "fixed", "enum"):
            self._named[schema["name"]] = schema
            return self._by_name(schema["name"])
        return self.least_bytes(kind)

    def levels(self, schema: Any) -> int:
        """The maximum depth of lists and objects in a value; only for a schema that is not recursive."""
        if isinstance(schema, list):
            return max(map(self.levels, schema), default=0)
        if isinstance(schema, str):
            if schema not in self._named:
                return 0
            schema = self._named[schema]
        kind = schema["type"]
        if kind in ("array", "map"):
            return 1 + self.levels(schema["items" if kind == "array" else "values"])
        if kind not in ("record", "error"):
            return 0 if isinstance(kind, str) and kind not in self._named else self.levels(kind)
        name = schema["name"]
        if name not in self._levels:
            self._levels[name] = 1 + max((self.levels(field["type"]) for field in schema["fields"]), default=0)
        return self._levels[name]

    def _by_name(self, name: str) -> int:
        if name in self._open:
            # A record contains itself through a union, array or map, each of at least one byte.
            # If it contains itself directly, it can never be read.
            self.recursive = True
            return 1
        if name not in self._sizes:
            schema = self._named[name]
            self._open.add(name)
            if schema["type"] == "fixed":
                self._sizes[name] = int(schema["size"])
            elif schema["type"] == "enum":
                self._sizes[name] = 1
            else:
                self._sizes[name] = sum(self.least_bytes(field["type"]) for field in schema["fields"])
            self._open.discard(name)
        return self._sizes[name]
