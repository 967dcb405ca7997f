"""Base of all parts of the config: closed and frozen models, and the units of their numbers."""

import re
from collections.abc import Callable, Mapping, Set
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from shadowstream.errors import ConfigError
from shadowstream.paths import parse_one, parse_path

Rate = Annotated[float, Field(gt=0, lt=1)]
Millis = Annotated[int, Field(ge=0)]
PositiveMillis = Annotated[int, Field(gt=0)]
Preset = Literal["debezium", "debezium-payload"]
"""Names of the presets that are part of shadowstream."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def _parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    def checked(path: str) -> str:
        try:
            parse(path)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return path

    return AfterValidator(checked)


AnyPath = Annotated[str, _parsed_by(parse_path)]
"""A path that may lead to several values (`shadowstream.paths`)."""
SinglePath = Annotated[str, _parsed_by(parse_one)]
"""A path that leads to a single value, so it has no star."""


def _decimal(value: Any) -> Any:
    """The decimal of a YAML number's shortest text, or of a decimal text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{value!r} is no number; give one, or its decimal text")
    try:
        exact = Decimal(value if isinstance(value, int | Decimal) else str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no decimal number, for example 0.03") from None
    if not exact.is_finite() or abs(exact.adjusted()) > _EXPONENT_MAX:
        raise ValueError(f"{value!r} is not finite, or beyond 1e{_EXPONENT_MAX}")
    if exact < 0:
        raise ValueError(f"{value} is below 0")
    return exact


def _shortest(value: Decimal) -> float | str:
    number = float(value)
    return number if Decimal(str(number)) == value else str(value)


_EXPONENT_MAX = 400
_DECIMAL_TEXT = r"^\s*\+?[0-9.]+([eE][+-]?[0-9]+)?\s*$"
Tolerance = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(_shortest),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _DECIMAL_TEXT}]}),
]
"""A decimal number of at least 0: the text in the YAML file counts, digit by digit."""


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check_headers(headers: Mapping[str, str], own: Set[str]) -> None:
    """Raise `ValueError` for a header that HTTP does not allow, or that shadowstream sets itself (`own`)."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise ValueError(f"headers: {name!r} is no HTTP header with a value of printable ASCII characters")
        if name.lower() in own:
            raise ValueError(f"headers: {name} is set by shadowstream; remove it here")


def _time(value: Any) -> Any:
    """The time of an ISO 8601 text with its offset from UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{value!r} is no ISO 8601 time, for example 2027-01-31T00:00:00Z") from None
    if isinstance(found, datetime) and found.tzinfo is None:
        raise ValueError("give the offset from UTC, for example 2027-01-31T00:00:00Z")
    return found


AwareTime = Annotated[datetime, BeforeValidator(_time)]
"""A time with its offset from UTC."""


class Model(BaseModel):
    """A closed, immutable part of the config.

    The validator of a part is built on first use, so that a process builds one for the whole config and none a part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def empty() -> list[Any]:
    """Return an empty list: a default whose signature pydantic reads at once, which of `list` it has to parse."""
    return []


def section(**more: Any) -> Any:
    """Return the field of a part that may be left out: it is validated with the whole, by the one validator."""
    return Field(default_factory=dict, validate_default=True, **more)
