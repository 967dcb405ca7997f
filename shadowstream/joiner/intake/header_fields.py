"""Header values that are kept with a record after its batch, as far as the config needs them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from shadowstream.codecs.framing import headed
from shadowstream.codecs.side_formats import needs_headers, side_formats
from shadowstream.compare.dimension_codes import ABSENT, name_of, text_of
from shadowstream.compare.record_parts import KeptHeaders, RecordParts
from shadowstream.config import Config, Failure
from shadowstream.protocol.headers import header, packed_of
from shadowstream.records import Batch, Headers, Side

_DIGITS_MAX = 18


class HeaderFields(NamedTuple):
    """Header values of one record. A shadow record has `values`, the dimensions in order, and its input's time.

    `emit_ms` is the time at which the side wrote the record, if a header holds it. `head` is the number of bytes of the
    value that came from a header (`codecs.framing.headed`). `warm`: the candidate wrote it in its state's warm-up.
    `failed`: a header reports that production failed on the input. `compared`: the headers that are compared, and
    `compared_bytes` their size.
    """

    values: tuple[str, ...] = ()
    input_ms: int | None = None
    emit_ms: int | None = None
    head: int = 0
    warm: bool = False
    failed: bool = False
    compared: KeptHeaders = ()
    compared_bytes: int = 0


_NOTHING = HeaderFields()


class HeaderReader:
    """Reader of the headers of whole batches, of production's output `topic` and the topics compared with it."""

    def __init__(self, config: Config, topic: str) -> None:
        self._formats = side_formats(config, topic)
        self._latency = config.compare.latency
        self._error = config.production.error if failed_by_header(config) else None
        self._has_state = config.candidate.state != "none"
        self._parts = RecordParts(config.compare) if config.compare.headers else None
        self._names = [one.header for one in config.compare.dimensions if one.header is not None]

    def headed(self, side: Side, batch: Batch) -> tuple[Batch, Sequence[HeaderFields] | None]:
        """Return the batch with self-describing values, and the header fields of its records; None if not needed."""
        format, found = self._formats[side], self._with_compared(batch, self._of(side, batch))
        if not format.header:
            return batch, found
        pairs = zip(batch.values, batch.headers or [None] * len(batch), strict=True)
        values, heads = zip(*(headed(value, headers, format) for value, headers in pairs), strict=True)
        if any(heads):
            found = [one._replace(head=n) for one, n in zip(found or [_NOTHING] * len(batch), heads, strict=True)]
        return replace(batch, values=list(values)), found

    def _with_compared(self, batch: Batch, found: Sequence[HeaderFields] | None) -> Sequence[HeaderFields] | None:
        """Return the fields with the compared headers, which all sides have."""
        if self._parts is None or not batch.headers:
            return found
        kept = map(self._parts.kept, batch.headers)
        fields = zip(found or [_NOTHING] * len(batch), kept, strict=True)
        return [
            one._replace(compared=headers, compared_bytes=sum(len(value or b"") for _, value in headers))
            for one, headers in fields
        ]

    def _of(self, side: Side, batch: Batch) -> Sequence[HeaderFields] | None:
        latency = self._latency
        if not batch.headers or side is Side.TWIN:
            return None
        if side is Side.PRODUCTION:
            emitted = latency.production_header if latency is not None else None
            if emitted is None and self._error is None:
                return None
            error, all_headers = self._error, batch.headers
            failed = [error is not None and says_failed(error, headers) for headers in all_headers]
            emit_ms = [_millis(headers, emitted) if emitted else None for headers in all_headers]
            return [HeaderFields(emit_ms=at, failed=has) for at, has in zip(emit_ms, failed, strict=True)]
        if not self._names and latency is None and not self._has_state:
            return None
        values = [tuple(_value(headers, name) for name in self._names) for headers in batch.headers]
        if latency is None and not self._has_state:
            return [HeaderFields(one) for one in values]
        packed = map(packed_of, batch.headers)
        own = latency.shadow_header if latency else None
        found = []
        for one, at, headers in zip(values, packed, batch.headers, strict=True):
            own_ms = _millis(headers, own) if own else at.emit_time_ms if at else None
            found.append(HeaderFields(one, at.input_time_ms if at else None, own_ms, warm=bool(at and at.warm)))
        return found


def failed_by_header(config: Config) -> bool:
    return config.production.error is not None and config.production.error.header is not None


def says_failed(error: Failure, headers: Headers) -> bool:
    found = header(headers, error.header or "")
    return found is not None and (error.equals is None or text_of(found) == error.equals)


def asks_headers(config: Config, side: Side) -> bool:
    """Return whether headers of production's or the twin's records are needed; the shadow's are always read."""
    if config.compare.headers:
        return True
    latency = config.compare.latency
    timed = side is Side.PRODUCTION and latency is not None and latency.production_header is not None
    return timed or (side is Side.PRODUCTION and failed_by_header(config)) or needs_headers(config, side)


def _millis(headers: Headers, name: str) -> int | None:
    found = header(headers, name)
    return int(found) if found is not None and found.isdigit() and len(found) <= _DIGITS_MAX else None


def _value(headers: Headers, name: str) -> str:
    found = header(headers, name)
    return ABSENT if found is None else name_of(found)
