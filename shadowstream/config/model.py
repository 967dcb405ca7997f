"""What every part of the config has in common: closed and frozen, and the units of its numbers."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(gt=0, lt=1)]
Millis = Annotated[int, Field(ge=0)]
PositiveMillis = Annotated[int, Field(gt=0)]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def names_several(path: str) -> bool:
    """Whether a dotted path has a star for a name or an index, and so may name several values of one record."""
    return any(part == "*" or part.endswith("[*]") for part in re.split(r"(?<!\\)\.", path)) or "[*][" in path


class Model(BaseModel):
    """A closed, immutable part of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid")
