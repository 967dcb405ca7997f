"""What a record's headers say that outlives its batch: kept beside a row, and only where the config asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shadowstream.compare.slices import ABSENT, text_of
from shadowstream.config import Config
from shadowstream.joiner.identity import header, packed_of
from shadowstream.records import Batch, Headers, Side

_DIGITS_MAX = 18


class Aside(NamedTuple):
    """Of a shadow record the values of the dimensions that are headers, in the config's order, and its input's time.

    `emit_ms` is the time at which its side wrote it, as a header says; None where none does.
    """

    values: tuple[str, ...] = ()
    input_ms: int | None = None
    emit_ms: int | None = None


class Asides:
    """Reads headers of whole batches."""

    def __init__(self, config: Config) -> None:
        self._latency = config.compare.latency
        self._names = [one.header for one in config.compare.dimensions if one.header is not None]

    def of(self, side: Side, batch: Batch) -> Sequence[Aside] | None:
        """One a record, None where nothing is asked of this side."""
        latency = self._latency
        if not batch.headers or side is Side.TWIN:
            return None
        if side is Side.PRODUCTION:
            if latency is None or latency.production_header is None:
                return None
            return [Aside(emit_ms=_millis(headers, latency.production_header)) for headers in batch.headers]
        if not self._names and latency is None:
            return None
        values = [tuple(_value(headers, name) for name in self._names) for headers in batch.headers]
        if latency is None:
            return [Aside(one) for one in values]
        packed = map(packed_of, batch.headers)
        own = latency.shadow_header
        return [
            Aside(
                one,
                at.input_time_ms if at else None,
                _millis(headers, own) if own else at.emit_time_ms if at else None,
            )
            for one, at, headers in zip(values, packed, batch.headers, strict=True)
        ]

    def needs_headers(self, side: Side) -> bool:
        """Whether headers of production's records are needed; the shadow's are read anyway."""
        return side is Side.PRODUCTION and self._latency is not None and self._latency.production_header is not None


def _millis(headers: Headers, name: str) -> int | None:
    found = header(headers, name)
    return int(found) if found is not None and found.isdigit() and len(found) <= _DIGITS_MAX else None


def _value(headers: Headers, name: str) -> str:
    found = header(headers, name)
    return ABSENT if found is None else text_of(found)
