"""What every part of the config has in common: closed and frozen, and the units of its numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shadowstream.errors import ConfigError
from shadowstream.paths import parse_one, parse_path

Rate = Annotated[float, Field(gt=0, lt=1)]
Millis = Annotated[int, Field(ge=0)]
PositiveMillis = Annotated[int, Field(gt=0)]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def _readable(path: str) -> str:
    try:
        parse_path(path)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return path


def _of_one(path: str) -> str:
    try:
        parse_one(path)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return path


AnyPath = Annotated[str, AfterValidator(_readable)]
"""A path that may lead to several values (`shadowstream.paths`)."""
OnePath = Annotated[str, AfterValidator(_of_one)]
"""A path that leads to one value, so it has no star."""


class Model(BaseModel):
    """A closed, immutable part of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid")
