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

import numpy as np

from shadowstream.joiner.intake.dedupe import DedupeWindow, Digests, digests
from shadowstream.native.hashed import NOT_LAID, Hashed, LaidBatch
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
    texts: LaidBatch = NOT_LAID,
) -> Mapping[int, Result]:
    """Return the outcomes of a batch's repeats by index; enter all its ids, those of re-read records included.

    `texts`: ids and values of the batch, if they are laid out already.
    """
    by = identity.repeats_by(side, ids, coordinates)
    if by is None:
        return NOTHING
    # The runner's outputs name their input. If the input is the id, it need not be part of the digest.
    named = coordinates if coordinates is not None and by is not coordinates and not identity.is_coordinate else None
    own = identity.tombstones_are_outputs and by is ids
    contents = _contents(seen, batch.values, texts)
    if named is not None:  # a record that names no input has the digest of its value, whatever others name
        contents = contents ^ np.array([0 if at is None else hash(at) for at in named], np.int64)
    if own and named is not None and None in batch.values:
        contents[[value is None for value in batch.values]] = _DELETED
    if seen.kernel is not None and identity.has_unique_texts and by is ids:
        found = _repeats_of_texts(seen, ids, contents, batch.offsets, texts.ids)
    else:
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


def _contents(seen: DedupeWindow, values: Sequence[bytes | None], texts: LaidBatch) -> Digests:
    """Return digests of values, all by the kernel if the window has one."""
    if seen.kernel is None:
        return digests(values)
    if texts.values is not None:
        return texts.values.hashes.view(np.int64)
    found = seen.kernel.measured([value or b"" for value in values]).hashes.view(np.int64)
    found[[value is None for value in values]] = _DELETED
    return found


def _repeats_of_texts(
    seen: DedupeWindow, ids: Sequence[Hashable], contents: Digests, offsets: Sequence[int], hashed: Hashed | None
) -> dict[int, bool]:
    """Look ids up by the kernel's hashes. An id that is missing or unreadable repeats none."""
    if hashed is not None:
        return seen.repeats(hashed.hashes, contents, offsets)
    at = [i for i, id_ in enumerate(ids) if isinstance(id_, bytes)]
    hashed = Hashed.of([ids[i] for i in at], seen.kernel)
    if hashed is None or not at:
        return {}
    found = seen.repeats(hashed.hashes, contents[at], [offsets[i] for i in at])
    return {at[i]: equal for i, equal in found.items()}
