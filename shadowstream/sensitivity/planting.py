"""Planting: copies of real pairs in which a share has a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shadowstream.protocol.headers import PACKED_HEADER, header, pack, packed_of, unpack
from shadowstream.protocol.uniform_hash import uniform
from shadowstream.records import Batch, Headers, InputCoordinate
from shadowstream.sensitivity.agreeing_pairs import AgreeingPairs, Copies, chosen
from shadowstream.sensitivity.plants import Kind, Plant
from shadowstream.sensitivity.rewriting import Rewriter

Mask = npt.NDArray[np.bool_]


class Planted:
    """One plant in the pairs of one topic. Each value is changed once, however many copies are made."""

    def __init__(self, pairs: AgreeingPairs, plant: Plant, rewriter: Rewriter) -> None:
        self._pairs, self._plant, self._rewriter = pairs, plant, rewriter
        self._changed: dict[int, bytes | None] = {}
        here: Mask = np.ones(len(pairs), np.bool_)
        if plant.slice is not None:
            dimension, value = plant.slice
            here = np.array([one == value for one in pairs.slices[dimension]], np.bool_)
        self._here = here

    @property
    def reach(self) -> float:
        """The share of the pairs that can have the plant: those of its slice."""
        return float(self._here.mean()) if len(self._here) else 0.0

    def mask(self, seed: int, share: float) -> Mask:
        """Choose the pairs that get the plant: `share` of those in its slice, the same for the same seed."""
        numbers = range(len(self._pairs))
        drawn: Mask = (uniform(numbers, np.uint64(seed) << np.uint64(32)) < share) & self._here
        return drawn

    def copies(self, mask: Mask, begin: int, end: int) -> tuple[Copies, int]:
        """Return copies of the pairs in [begin, end) with the plant where `mask` is set, and how many have it."""
        pairs, kind = self._pairs.copies, self._plant.kind
        production = _renumbered(pairs.production.part(begin, end))
        shadow = pairs.shadow.part(begin, end)
        if self._pairs.by_place:
            shadow = replace(shadow, headers=[_at(headers, n) for n, headers in enumerate(shadow.headers)])
        chosen_here = np.flatnonzero(mask[begin:end]).tolist()
        if kind is Kind.DROPPED:
            kept = np.flatnonzero(~mask[begin:end]).tolist()
            return Copies(production, _renumbered(chosen(shadow, kept))), len(chosen_here)
        if kind is Kind.DUPLICATED:
            twice = sorted([*range(len(shadow)), *chosen_here])
            return Copies(production, _renumbered(chosen(shadow, twice))), len(chosen_here)
        if kind is Kind.LATE:
            return Copies(production, _renumbered(_late(shadow, chosen_here, int(self._plant.size or 0)))), len(
                chosen_here
            )
        values, planted = list(shadow.values), 0
        for n in chosen_here:
            changed = self._value(begin + n)
            if changed is not None:
                values[n], planted = changed, planted + 1
        return Copies(production, _renumbered(replace(shadow, values=values))), planted

    def _value(self, index: int) -> bytes | None:
        if index not in self._changed:
            shadow = self._pairs.copies.shadow
            value, headers = shadow.values[index], shadow.headers[index]
            self._changed[index] = self._rewriter.planted(value, headers, self._plant)
        return self._changed[index]


def _renumbered(batch: Batch) -> Batch:
    return replace(batch, offsets=list(range(len(batch))))


def _late(batch: Batch, which: Sequence[int], by_ms: int) -> Batch:
    """Return a batch in which these records carry a later event time, and were written later."""
    late = set(which)
    times = [at + by_ms * (n in late) for n, at in enumerate(batch.times_ms)]
    headers = [_later(found, by_ms) if n in late else found for n, found in enumerate(batch.headers)]
    return chosen(replace(batch, times_ms=times, headers=headers), sorted(range(len(batch)), key=times.__getitem__))


def _at(headers: Headers, offset: int) -> Headers:
    """Return the headers of an output whose input is the copy of production's record at this offset."""
    one = packed_of(headers)
    if one is None:
        return headers
    at = InputCoordinate(one.coordinate.topic, 0, offset, one.coordinate.k)
    raw = pack(one.revision, at, one.input_time_ms, one.emit_time_ms, warm=one.warm)
    return [*((name, value) for name, value in headers or () if name != PACKED_HEADER), (PACKED_HEADER, raw)]


def _later(headers: Headers, by_ms: int) -> Headers:
    raw = header(headers, PACKED_HEADER)
    if raw is None:
        return headers
    one = unpack(raw)
    later = pack(one.revision, one.coordinate, one.input_time_ms, one.emit_time_ms + by_ms, warm=one.warm)
    return [*((name, value) for name, value in headers or () if name != PACKED_HEADER), (PACKED_HEADER, later)]
