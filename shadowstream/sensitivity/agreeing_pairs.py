"""Real pairs of a trial whose sides agree: the material into which differences are planted.

A pair that differs already would hide a plant, and a record without a partner would count as one. Both are left out and
counted.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.dimension_codes import Coded
from shadowstream.compare.record_parts import PartColumns
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.joiner.accounting.pair_columns import ColumnReader
from shadowstream.joiner.intake.header_fields import HeaderFields, HeaderReader
from shadowstream.joiner.pending_record import PendingColumns
from shadowstream.joiner.task_topics import topics_of
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.outcomes import AGREES
from shadowstream.records import Batch, Headers, Partition, Side


class Copies(NamedTuple):
    """Records of both sides of one output topic, each side as one partition in the order of event time."""

    production: Batch
    shadow: Batch


@dataclass(frozen=True, slots=True)
class AgreeingPairs:
    """Pairs of production's output `topic`: the n-th record of each side. `slices`: by dimension, a value a pair.

    `unmatched`: records without a partner in the sample. `differing`: pairs that differ already. `by_place`: a record
    of production is known by its place alone, because it is the input (`production.answer`).
    """

    topic: str
    copies: Copies
    slices: dict[str, list[str]]
    unmatched: int
    differing: int
    by_place: bool = False

    def __len__(self) -> int:
        return len(self.copies.production)


def agreeing_pairs(
    config: Config, revision: str, topic: str, sides: tuple[Batch, Batch], compare: Comparing
) -> AgreeingPairs:
    """Pair the records of two sides, and keep the pairs that agree under the config's rules.

    The packed headers name `revision` afterwards, whichever revision wrote the outputs. Raises `RegistryError` while a
    schema is unavailable.
    """
    compare = compare.of(topic)
    production, shadow = (_in_time(batch) for batch in sides)
    pairs = _matched(config, production, shadow, _ids(config, topic, (production, shadow), compare))
    one, other = chosen(production, [p for p, _ in pairs]), chosen(shadow, [s for _, s in pairs])
    read, fields = _headed(config, topic, (one, other))
    parts = compare.parts.differing(*(_parts(compare, batch) for batch in (one, other)))
    results = compare(read[0].values, read[1].values, list(one.times_ms), parts)
    agrees = [n for n, outcome in enumerate(results.outcomes) if outcome in AGREES]
    identity = Identity(config)
    kept = Copies(*(_placed(chosen(batch, agrees), config, topic, side) for side, batch in enumerate((one, other))))
    headers = [_of_revision(revision, identity, found) for found in kept.shadow.headers]
    unmatched = len(production) + len(shadow) - 2 * len(pairs)
    columns = [PendingColumns(b.offsets, b.times_ms, b.values, b.keys, None, None, None, f)
               for b, f in zip(read, fields, strict=True)]  # fmt: skip
    revisions = Coded.of_one(revision, len(pairs))
    of_pairs = ColumnReader(config).read(columns[0], columns[1], compare, results.coded(), revisions)
    named = zip(config.compare.dimensions, of_pairs.dimensions, strict=True)
    slices = {one.name: [column.values[column.codes[n]] for n in agrees] for one, column in named}
    copies = kept._replace(shadow=replace(kept.shadow, headers=headers))
    by_place = config.production.answer is not None
    return AgreeingPairs(topic, copies, slices, unmatched, len(pairs) - len(agrees), by_place)


def _in_time(batch: Batch) -> Batch:
    return chosen(batch, sorted(range(len(batch)), key=batch.times_ms.__getitem__))


def chosen(batch: Batch, indexes: Sequence[int]) -> Batch:
    """Return the records at these indexes, in their order."""
    headers = batch.headers or [None] * len(batch)
    return Batch(
        batch.place,
        [batch.offsets[i] for i in indexes],
        [batch.times_ms[i] for i in indexes],
        [batch.keys[i] for i in indexes],
        [batch.values[i] for i in indexes],
        [headers[i] for i in indexes],
    )


def _headed(
    config: Config, topic: str, sides: tuple[Batch, Batch]
) -> tuple[list[Batch], list[Sequence[HeaderFields] | None]]:
    reader = HeaderReader(config, topic)
    batches, fields = zip(*(reader.headed(Side(n), batch) for n, batch in enumerate(sides)), strict=True)
    return list(batches), list(fields)


def _ids(config: Config, topic: str, sides: tuple[Batch, Batch], compare: Comparing) -> list[Sequence[Hashable]]:
    """Return the join ids of both sides, one a record; None and errors have no partner."""
    identity, found = Identity(config, compare.decode), []
    for n, batch in enumerate(_headed(config, topic, sides)[0]):
        side = Side(n)
        is_placed = config.production.answer is not None  # a sample has lost the places; its headers name them
        packed = [identity.packed(headers) for headers in batch.headers] if side is Side.SHADOW or is_placed else ()
        of = [one and one.coordinate for one in packed] if is_placed else identity.coordinates(side, batch, packed)
        found.append(identity.ids(side, batch, of))
    return found


def _matched(
    config: Config, production: Batch, shadow: Batch, ids: Sequence[Sequence[Hashable]]
) -> list[tuple[int, int]]:
    """Pair the n-th record of an id with the other side's n-th, where both sides have as many of the id."""
    by_id: dict[Hashable, tuple[list[int], list[int]]] = {}
    for side, of_side in enumerate(ids):
        for index, id_ in enumerate(of_side):
            if id_ is not None and not isinstance(id_, RecordError):
                by_id.setdefault(id_, ([], []))[side].append(index)
    span_ms = config.identity.tolerance_ms if config.identity.kind == "occurrence" else None
    pairs = []
    for of_production, of_shadow in by_id.values():
        together = list(zip(of_production, of_shadow, strict=False)) if len(of_production) == len(of_shadow) else []
        apart = (abs(production.times_ms[p] - shadow.times_ms[s]) for p, s in together)
        if span_ms is None or max(apart, default=0) <= span_ms:
            pairs += together
    return sorted(pairs)


def _parts(compare: Comparing, batch: Batch) -> PartColumns:
    return PartColumns(batch.keys, [compare.parts.kept(headers) for headers in batch.headers])


def _placed(batch: Batch, config: Config, topic: str, side: int) -> Batch:
    """Return the records as the only partition of their side's topic."""
    place = Partition(topics_of(config, topic, ())[side], 0)
    return replace(batch, place=place, offsets=list(range(len(batch))))


def _of_revision(revision: str, identity: Identity, headers: Headers) -> Headers:
    packed = identity.packed(headers)
    if packed is None:
        return headers
    raw = pack(revision, packed.coordinate, packed.input_time_ms, packed.emit_time_ms)
    return [*((name, value) for name, value in headers or () if name != PACKED_HEADER), (PACKED_HEADER, raw)]
