"""What a record's headers say that outlives its batch: kept beside a row, and only where the config asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shadowstream.compare.slices import ABSENT, text_of
from shadowstream.config import Config
from shadowstream.joiner.identity import header
from shadowstream.records import Batch, Headers, Side


class Aside(NamedTuple):
    """Of a shadow record the values of the dimensions that are headers, in the config's order."""

    values: tuple[str, ...] = ()


class Asides:
    """Reads headers of whole batches."""

    def __init__(self, config: Config) -> None:
        self._names = [one.header for one in config.compare.dimensions if one.header is not None]

    def of(self, side: Side, batch: Batch) -> Sequence[Aside] | None:
        """One a record, None where nothing is asked of this side."""
        if side is not Side.SHADOW or not self._names or not batch.headers:
            return None
        return [Aside(tuple(_value(headers, name) for name in self._names)) for headers in batch.headers]


def _value(headers: Headers, name: str) -> str:
    found = header(headers, name)
    return ABSENT if found is None else text_of(found)
