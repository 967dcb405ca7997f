"""The oracle of the kernel: every level that it gives is that of rows and of columns, of values that fastavro reads."""

import io
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import fastavro
import numpy as np

from shadowstream.codecs.decoder import Decoder
from shadowstream.compare import lockstep
from shadowstream.compare.dimension_codes import name_of
from shadowstream.compare.pairs import compare_pairs
from shadowstream.compare.result import NAMES
from shadowstream.errors import RecordError
from shadowstream.native import library
from shadowstream.native.library import Kernel, Ops, State, Values
from shadowstream.paths import value_at
from tests.native import exchanges, pairings
from tests.native.generated import PAIRS, Batch, batch
from tests.native.repeats import differences

HEAD = 5
BUCKETS = 1_000_003


class Disagreement(Exception):
    """The kernel gives another answer than Python."""


@contextmanager
def kernel_at(path: Path | None) -> Iterator[Kernel | None]:
    """Let this process use the kernel at a path, or none."""
    kernel = Kernel(path) if path is not None else None
    before = library._loaded
    library._loaded = lambda: State(kernel, "chosen by a test")  # type: ignore[assignment]  # it needs no cache
    try:
        yield kernel
    finally:
        library._loaded = before


def _exactly(value: bytes, limit: int) -> Values:
    """One value in a buffer of its own, so that a sanitizer sees any byte that is read beyond."""
    return Values(np.array(bytearray(value), np.uint8), np.array([0, len(value)], np.int64), HEAD, limit)


def _level(kernel: Kernel, ops: Ops, values: list[Values], fields: int) -> int:
    return int(kernel.walk(ops, *values, fields).levels[0])


def other_head(kernel: Kernel, ops: Ops, values: list[Values], fields: int) -> list[int]:
    """The levels of pairs with another head than expected on one side."""
    found = []
    for side in range(2):
        given = [one.headed(b"\1" * HEAD, one.bytes_max) if n == side else one for n, one in enumerate(values)]
        found += kernel.walk(ops, *given, fields).levels.tolist()
    return found


def check(given: Batch, kernel: Kernel) -> Counter[str]:
    """Hold all answers of a kernel for a batch against Python; count the levels. Raises `Disagreement`."""
    counts: Counter[str] = Counter()
    decoders = Decoder(given.registry), Decoder(given.registry)
    bodies = decoders[0].bodies(given.production[0])
    if bodies is None:
        return Counter(refused=1)
    given.rules.named = tuple(map(tuple, given.paths))
    program = lockstep.program(bodies.layout, given.rules)
    if program is None:
        return Counter(refused=1)
    ops, fields = program.ops, len(program.fields)
    sides = map(Values.of, (given.production, given.shadow))
    laid = [Values(side.buffer, side.offsets, HEAD, bodies.bytes_max) for side in sides]
    levels = kernel.walk(ops, *laid, fields).levels.tolist()
    if other_head(kernel, ops, laid, fields) != [library.UNKNOWN] * 2 * PAIRS:
        raise Disagreement("values with another head are walked")
    with kernel_at(None):
        results = compare_pairs(given.production, given.shadow, *decoders, given.rules)
        in_columns = results.outcomes
    with kernel_at(kernel.path):
        if list(compare_pairs(given.production, given.shadow, *decoders, given.rules)) != list(results):
            raise Disagreement("the results of the batch are others with the kernel than without it")
    for place, pair in enumerate(zip(given.production, given.shadow, strict=True)):
        limits = (bodies.bytes_max, len(pair[0]) - 1) if place == 0 else (bodies.bytes_max,)
        single = [_level(kernel, ops, [_exactly(value, limit) for value in pair], fields) for limit in limits]
        if single[0] != levels[place]:
            raise Disagreement(f"pair {place}: level {single[0]} alone, {levels[place]} in a batch")
        if single[1:] not in ([], [library.UNKNOWN]):
            raise Disagreement(f"pair {place}: a value longer than its bound has level {single[1]}")
        _check_pair(given, decoders, levels[place], in_columns[place], place)
        counts[str(NAMES[levels[place]]) if levels[place] != library.UNKNOWN else "unknown"] += 1
    for decoder in (decoders[0], Decoder(given.registry)):  # named beside the comparison, and alone
        counts.update(_check_names(given, decoder, kernel))
    counts.update(_check_room(kernel, ops, laid, fields))
    _check_buckets(given, kernel)
    return counts


def _check_pair(given: Batch, decoders: tuple[Decoder, Decoder], level: int, in_columns: str, place: int) -> None:
    if level == library.UNKNOWN:
        return
    pair = given.production[place], given.shadow[place]
    for value in pair:
        body = io.BytesIO(value[HEAD:])
        try:
            fastavro.schemaless_reader(body, given.registry.schemas[0], None)
        except Exception as error:
            raise Disagreement(
                f"pair {place} has level {level}, but fastavro refuses {value.hex()}: {error}"
            ) from error
        if body.tell() != len(value) - HEAD:
            raise Disagreement(f"pair {place} has level {level}, but fastavro leaves bytes of {value.hex()}")
        if isinstance(decoders[0].decode_many([value])[0], RecordError):
            raise Disagreement(f"pair {place} has level {level}, but {value.hex()} is undecodable")
    in_rows = compare_pairs([pair[0]], [pair[1]], *decoders, given.rules).outcomes[0]
    if not NAMES[level] == in_rows == in_columns:
        raise Disagreement(
            f"pair {place}: level {NAMES[level]}, but rows say {in_rows} and columns {in_columns}: "
            f"{pair[0].hex()} beside {pair[1].hex()}"
        )


def _check_names(given: Batch, decoder: Decoder, kernel: Kernel) -> Counter[str]:
    with kernel_at(kernel.path):
        found = lockstep.coded(decoder, given.production, given.paths)
    if found is None:
        return Counter()
    values = decoder.decode_many(given.production)
    for path, column in zip(given.paths, found, strict=True):
        names = [column.values[code] for code in column.codes.tolist()]
        expected = [name_of(value_at(value, path)) for value in values]
        if names != expected:
            raise Disagreement(f"names at {path}: {names}, but rows say {expected}")
    return Counter(named=1)


def _check_room(kernel: Kernel, ops: Ops, values: list[Values], fields: int) -> Counter[str]:
    """Note the differences in many calls, each with room for one pair, and in one call."""
    whole = kernel.walk(ops, *values, fields)
    with patch.object(library, "ROOM", 0):
        parts = kernel.walk(ops, *values, fields)
    if any(one.tobytes() != other.tobytes() for one, other in zip(whole[:3], parts[:3], strict=True)):
        raise Disagreement("the differences of many calls are not those of one")
    if not set(whole.found["pair"].tolist()) == set(np.flatnonzero(whole.noted).tolist()):
        raise Disagreement("a pair has differences and is not noted, or is noted and has none")
    return Counter(noted=int(np.count_nonzero(whole.noted)))


def _check_buckets(given: Batch, kernel: Kernel) -> None:
    keys = [b"", *given.production, given.shadow[0]]
    expected = [zlib.crc32(key) % BUCKETS for key in keys]
    if kernel.buckets(Values.of(keys), BUCKETS).tolist() != expected:
        raise Disagreement("the buckets of keys are not those of zlib")


def _check_pairings(seed: int, kernel: Kernel) -> Counter[str]:
    counts, problems = pairings.differences(seed, kernel)
    if problems:
        raise Disagreement(problems[0])
    return counts


def _check_repeats(seed: int, kernel: Kernel) -> Counter[str]:
    counts, problems = differences(seed, kernel)
    if problems:
        raise Disagreement(problems[0])
    return counts


def _check_exchanges(seed: int, kernel: Kernel) -> Counter[str]:
    counts, problems = exchanges.differences(seed, kernel)
    if problems:
        raise Disagreement(problems[0])
    return counts


def run(first: int, kernel: Kernel, batches: int) -> Counter[str]:
    """Check some batches. Raises `Disagreement` with the seed of the batch."""
    counts: Counter[str] = Counter()
    for seed in range(first, first + batches):
        try:
            counts.update(check(batch(seed), kernel))
            counts.update(_check_pairings(seed, kernel))
            counts.update(_check_repeats(seed, kernel))
            counts.update(_check_exchanges(seed, kernel))
        except Disagreement as error:
            raise Disagreement(f"batch {seed}: {error}") from error
        counts["batches"] += 1
    return counts
