"""What a record ends as that repeats an id of its own side: a re-delivery, a repeat never compared, or an output.

=====================================  =====================  ================================================
the record, within the span            it ends as             since
=====================================  =====================  ================================================
same id, value and input               `duplicate_<side>`     a producer wrote one output twice
same id, another value or input        `repeated_<side>`      the id is not unique: which of them pair is unknown
a tombstone after a value, same key    an output of its own   deleting is what the producer did next with the key
=====================================  =====================  ================================================

A tombstone after a tombstone is a re-delivery, whatever its input: what is deleted already cannot be deleted again.
Otherwise the input counts where the record names it: always of our runner's outputs. A value that bears the time of
writing is another value each time, so its re-delivery is `repeated` too: no verdict claims more than was compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from shadowstream.joiner.intake.dedupe import DedupeWindow, digests
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.outcomes import Result, duplicate, repeated
from shadowstream.records import Batch, InputCoordinate, Side

_DELETED = hash(None)
NOTHING: Mapping[int, Result] = {}


def ends_of_repeats(
    identity: Identity,
    seen: DedupeWindow,
    side: Side,
    batch: Batch,
    ids: Sequence[Hashable],
    coordinates: Sequence[InputCoordinate | None] | None,
) -> Mapping[int, Result]:
    """What the repeats of a batch end as, by position; records of a batch that are read again count as seen."""
    by = identity.repeats_by(side, ids, coordinates)
    if by is None:
        return NOTHING
    # Our runner's outputs name their input. Where that is the id itself it need not be digested.
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
