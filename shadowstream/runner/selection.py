"""Selection of the inputs on which the candidate is called: a share of the keys, without the excluded inputs.

An input left out gets no answer, and ends its record of production as `sampled_out` or `filtered`. The share is chosen
by a hash of the key alone, so that every candidate gets the same records, and a smaller share is part of a greater one.
An input without a key is chosen by its place.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from shadowstream.compare.dimension_codes import text_of
from shadowstream.config import Config
from shadowstream.config.sides import Exclusion
from shadowstream.errors import RecordError
from shadowstream.paths import ABSENT, parse_one, value_at
from shadowstream.protocol.headers import header
from shadowstream.records import Batch, Headers
from shadowstream.runner.outputs import LeftOut

_HASHES = 2**64


SAMPLED_OUT, FILTERED = LeftOut("sampled_out"), LeftOut("filtered")
OTHER_KEY = (
    "candidate.sample and candidate.exclude need the key of the input, and this output has another: production's "
    "records of inputs that are left out are known by that key. Use identity: coordinate, or call the candidate on all"
)


def is_in_sample(key: bytes, share: float) -> bool:
    """Whether inputs of a key are in this share of all keys.

    >>> [is_in_sample(b"a", share) for share in (0.2, 0.5, 1.0)]
    [False, False, True]
    """
    digest = hashlib.blake2b(key, digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest, "big") < share * _HASHES


class Decodes(Protocol):
    """A decoder of values; an undecodable value gives its `RecordError`."""

    def decode_many(self, values: Sequence[bytes | None], headers: Sequence[Headers] = ()) -> list[Any]: ...


class Selection:
    """The rule of one trial. `share`: of the keys; it may change between two batches."""

    def __init__(self, config: Config) -> None:
        self.share = config.candidate.sample
        self._by_header = [one for one in config.candidate.exclude if one.header is not None]
        self._by_path = [(parse_one(one.path), one) for one in config.candidate.exclude if one.path is not None]
        self.wants_headers = bool(self._by_header)

    @property
    def leaves_out(self) -> bool:
        """Whether the candidate is not called on some inputs."""
        return self.share < 1.0 or bool(self._by_header or self._by_path)

    def decoded(self, batch: Batch, decoder: Decodes) -> list[Any]:
        """Return the decoded value of each input, its `RecordError`, or `LeftOut`."""
        results: list[Any] = [self._by_key_or_header(batch, i) for i in range(len(batch))]
        kept = [i for i, result in enumerate(results) if result is None]
        headers = [batch.headers[i] for i in kept] if batch.headers else ()
        for i, value in zip(kept, decoder.decode_many([batch.values[i] for i in kept], headers), strict=True):
            results[i] = FILTERED if self._is_excluded(value) else value
        return results

    def _by_key_or_header(self, batch: Batch, i: int) -> LeftOut | None:
        key = batch.keys[i]
        if self.share < 1.0 and not is_in_sample(_place(batch, i) if key is None else key, self.share):
            return SAMPLED_OUT
        headers = batch.headers[i] if batch.headers else None
        found = ((header(headers, one.header or ""), one) for one in self._by_header)
        return FILTERED if any(value is not None and _fits(one, value) for value, one in found) else None

    def _is_excluded(self, value: Any) -> bool:
        if isinstance(value, RecordError):
            return False
        found = ((value_at(value, names), one) for names, one in self._by_path)
        return any(part is not None and part is not ABSENT and _fits(one, part) for part, one in found)


def _fits(exclusion: Exclusion, value: Any) -> bool:
    return exclusion.equals is None or text_of(value) == exclusion.equals


def _place(batch: Batch, i: int) -> bytes:
    return f"{batch.place.topic}/{batch.place.partition}/{batch.offsets[i]}".encode()
