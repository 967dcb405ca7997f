"""Outcomes of repeats: records with an id that came before on the same side and partition, within the dedupe span.

=====================================  =====================  ================================================
repeat                                 outcome                reason
=====================================  =====================  ================================================
same id, value and input               `duplicate_<side>`     a producer wrote one output twice
same id, another value or input        `repeated_<side>`      the id is not unique, so the pairs are unknown
a tombstone after a value, same key    matched like others    the producer deleted the key after writing it
=====================================  =====================  ================================================

A tombstone after a tombstone is a duplicate, whatever its input: a deleted key cannot be deleted again. Otherwise the
input counts if the record names it; the runner's outputs always do. A value that contains the time of writing differs
each time, so its duplicate ends as `repeated` too: a verdict never claims more than was compared.
"""

from collections.abc import Hashable, Mapping, Sequence

from shadowstream.joiner.intake.dedupe import DedupeWindow, digests
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.outcomes import Result, duplicate, repeated
from shadowstream.records import Batch, InputCoordinate, Side

_DELETED = hash(None)
NOTHING: Mapping[int, Result] = {}


def outcomes_of_repeats(
    identity: Identity,
    seen: DedupeWindow,
    side: Side,
    batch: Batch,
    ids: Sequence[Hashable],
    coordinates: Sequence[InputCoordinate | None] | None,
) -> Mapping[int, Result]:
    """Return the outcomes of a batch's repeats by index; enter all its ids, those of re-read records included."""
    by = identity.repeats_by(side, ids, coordinates)
    if by is None:
        return NOTHING
    # The runner's outputs name their input. If the input is the id, it need not be part of the digest.
    named = coordinates if coordinates is not None and by is not coordinates and not identity.is_coordinate else None
    own = identity.tombstones_are_outputs and by is ids
    contents = digests(batch.values if named is None else zip(batch.values, named, strict=True))
    if own and named is not None and None in batch.values:
        contents[[value is None for value in batch.values]] = _DELETED
    found = seen.repeats(by, contents, batch.offsets)
    if not found:
        return NOTHING
    written_twice = Result(duplicate(side))
    differs = Result(repeated(side), identity.why_repeated)
    return {
        i: written_twice if equal else differs
        for i, equal in found.items()
        if equal or not (own and batch.values[i] is None)
    }
