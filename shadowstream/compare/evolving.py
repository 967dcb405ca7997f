"""Pairs of two writer schemas made comparable (`codecs.evolution`), and what changed between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.evolution import NONE, Evolution, evolution
from shadowstream.codecs.framing import SchemaId

_Values = Sequence[bytes | None]


class Met(NamedTuple):
    """Two schemas that met for the first time, and the paths of what changed, by kind."""

    production: SchemaId
    shadow: SchemaId
    changes: dict[str, list[str]]


class Evolutions:
    """What lies between the schemas of two sides, each pair of schemas looked at once.

    `changes` says of the latest batch which places were compared across a change, and its kinds; `met` tells of pairs
    of schemas that are new, for whoever shows them, and to be emptied by it.
    """

    def __init__(self) -> None:
        self.changes: dict[int, tuple[str, ...]] = {}
        self.met: list[Met] = []
        self._known: dict[tuple[SchemaId, SchemaId], Evolution] = {}

    def begin(self) -> None:
        """Another batch of pairs, or the same again where a schema could not be had."""
        self.changes = {}

    def of(self, decoders: tuple[Decoder, Decoder], production: bytes, shadow: bytes) -> Evolution:
        """What lies between the schemas of two values; `NONE` where one is none of Avro."""
        ours, theirs = decoders[0].schema_id(production), decoders[1].schema_id(shadow)
        if ours is None or theirs is None or (ours == theirs and type(ours) is type(theirs)):
            return NONE
        found = self._known.get((ours, theirs))
        if found is None:
            schemas = decoders[0].avro_schema(ours), decoders[1].avro_schema(theirs)
            found = NONE if None in schemas else evolution(*schemas)
            self._known[ours, theirs] = found
            if found.changes:
                self.met.append(Met(ours, theirs, found.changes))
        return found

    def note(self, found: Evolution, places: Sequence[int]) -> None:
        """Note at each place all kinds of change that there are between the two schemas."""
        self.changes.update(dict.fromkeys(places, tuple(found.changes)))

    def rows(
        self,
        decoders: tuple[Decoder, Decoder],
        values: tuple[_Values, _Values],
        decoded: tuple[list[Any], list[Any]],
        places: Sequence[int],
    ) -> None:
        """Make decoded values comparable, in place; `values` are the raw ones, `places` theirs among all pairs."""
        for index, (ours, theirs) in enumerate(zip(*values, strict=True)):
            if ours is None or theirs is None:
                continue
            found = self.of(decoders, ours, theirs)
            if found.changes:
                self.note(found, places[index : index + 1])
            if found.production is not None:
                decoded[0][index] = found.production.of(decoded[0][index])
            if found.shadow is not None:
                decoded[1][index] = found.shadow.of(decoded[1][index])
