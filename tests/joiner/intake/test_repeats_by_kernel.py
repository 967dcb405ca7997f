"""Repeats by the kernel's hashes and table: the outcomes are those of Python's own hashes and arrays."""

import random
from collections.abc import Hashable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.errors import RecordError
from shadowstream.joiner.intake.dedupe import DedupeWindow
from shadowstream.joiner.intake.repeat_outcome import outcomes_of_repeats
from shadowstream.native import library
from shadowstream.native.hashed import Hashed, LaidBatch, measured
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, InputCoordinate, Partition, Side
from tests.joiner.joiner_world import config

PLACE = Partition("out", 0)
IDENTITIES: list[dict[str, Any]] = [
    {"kind": "key"}, {"kind": "id", "path": "id"}, {"kind": "key", "outputs": "many"}, {"kind": "occurrence"},
    {"kind": "coordinate"},
]  # fmt: skip


class Drawn(NamedTuple):
    """One record of a history; `of`: the offset of its input, if a header names it."""

    id: Hashable
    value: bytes | None
    of: int | None
    gap: int


def drawn(by_chance: random.Random) -> Drawn:
    odd: list[Hashable] = [None, b"", RecordError("broken", reason="broken")]
    id_ = by_chance.choice(odd) if by_chance.random() < 0.1 else b"k%d" % by_chance.randrange(12)
    of = by_chance.choice([None, None, 3, 4])
    return Drawn(id_, by_chance.choice([None, b"", b"1", b"2"]), of, by_chance.choice([1, 1, 3]))


@pytest.fixture(scope="module")
def kernel() -> library.Kernel:
    if (found := library.state().kernel) is None:
        pytest.skip(library.state().reason)
    return found


@given(
    seed=st.integers(0, 2**32), settings=st.sampled_from(IDENTITIES), side=st.sampled_from(Side), as_laid=st.booleans()
)
def test_any_history_has_the_outcomes_of_python(
    kernel: library.Kernel, seed: int, settings: dict[str, Any], side: Side, as_laid: bool
) -> None:
    by_chance, offset = random.Random(seed), 0
    identity = Identity(config(identity=settings | {"dedupe_span": 20}))
    windows = DedupeWindow(20, 1), DedupeWindow(20, 1, kernel)
    alive: list[Hashable] = []  # Python's hash of an error is its address, which another one may have later
    for _ in range(by_chance.randint(1, 8)):
        records = [drawn(by_chance) for _ in range(by_chance.randint(1, 15))]
        offsets = [offset := offset + one.gap for one in records]
        values, ids = [one.value for one in records], [one.id for one in records]
        alive += ids
        batch = Batch(PLACE, offsets, [0] * len(records), [None] * len(records), values)
        inputs = [None if one.of is None else InputCoordinate(0, 0, one.of, 0) for one in records]
        if settings["kind"] == "coordinate":
            ids = [None if at is None else identity.of_coordinate(at) for at in inputs]
        coordinates = inputs if any(inputs) else None
        given = side, batch, ids, coordinates
        texts = LaidBatch(Hashed.of(ids, kernel), measured(values, kernel)) if as_laid else LaidBatch()
        found = outcomes_of_repeats(identity, windows[1], *given, texts)
        assert found == outcomes_of_repeats(identity, windows[0], *given)


@pytest.mark.parametrize("native", [False, True])
def test_a_repeat_is_equal_whatever_inputs_others_in_its_batch_name(kernel: library.Kernel, native: bool) -> None:
    identity = Identity(config(identity={"kind": "key"}))
    window = DedupeWindow(20, 1, kernel if native else None)
    first = Batch(PLACE, [0], [0], [b"a"], [b"1"])
    assert not outcomes_of_repeats(identity, window, Side.SHADOW, first, first.keys, None)
    beside = Batch(PLACE, [1, 2], [0, 0], [b"a", b"b"], [b"1", b"1"])
    inputs = [None, InputCoordinate(0, 0, 7, 0)]
    found = outcomes_of_repeats(identity, window, Side.SHADOW, beside, beside.keys, inputs)
    assert {at: one.outcome for at, one in found.items()} == {0: "duplicate_shadow"}
