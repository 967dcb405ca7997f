"""What one transaction holds: no more than the sink has shown to take, whatever has been fetched."""

from collections.abc import Iterator

import pytest

from shadowstream.kafka.batch_size import FIRST_RECORDS, GROWTH
from shadowstream.kafka.loop import Loop
from shadowstream.records import Batch, Partition, Prepared
from shadowstream.testing.memory.inside import inside
from tests.kafka.test_loop import Copier, World

EACH = 400
"""Records of each of two partitions: together more than the first transaction takes, and less than one turn."""


class Counting(Copier):
    """Counts what each transaction wrote. Records that begin with `holds` wait: they are written with a later one."""

    def __init__(self, holds: bytes = b"none") -> None:
        super().__init__()
        self.holds = holds
        self.waiting: list[bytes | None] = []
        self.parts: list[int] = []
        self.sizes: list[int] = []
        self.prepared = 0

    def consume(self, batch: Batch, now_ms: int) -> int:
        self.parts.append(len(batch))
        waits = [value is not None and value.startswith(self.holds) for value in batch.values]
        self.waiting += [value for value, one in zip(batch.values, waits, strict=True) if one]
        written = len(self.writes)
        super().consume(batch, now_ms)
        self.writes[written:] = [write for write, one in zip(self.writes[written:], waits, strict=True) if not one]
        return len(batch)

    def records_in_transaction(self, new: int) -> int:
        return len(self.writes) + self.prepared

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        self.prepared = len(self.writes)
        self.sizes += [self.prepared] if self.prepared else []
        return super().prepare(now_ms, limit)

    def committed(self, now_ms: int) -> None:
        self.prepared = 0


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with inside(made.broker, made.host):
        yield made


def arrive(world: World) -> None:
    for n in range(EACH):
        world.arrive(b"a%03d" % n)
        world.arrive(b"b%03d" % n, partition=1)


def test_a_process_writes_few_records_first_and_then_ever_more(world: World) -> None:
    arrive(world)
    counting = Counting()
    process = world.copier("0", role_of=lambda: counting)
    world.turn(process, calls=800)
    assert process.error is None
    assert len(world.copied()) == 2 * EACH
    assert counting.sizes == [FIRST_RECORDS, 2 * EACH - FIRST_RECORDS]
    assert 2 * EACH - FIRST_RECORDS <= FIRST_RECORDS * GROWTH


def test_records_that_only_wait_take_no_room_in_a_transaction(world: World) -> None:
    arrive(world)
    counting = Counting(holds=b"a")
    process = world.copier("0", role_of=lambda: counting)
    world.turn(process, calls=800)
    assert process.error is None
    assert len(counting.waiting) == EACH
    assert counting.sizes[0] <= FIRST_RECORDS
    assert sum(counting.sizes) == EACH
    assert max(counting.parts) <= FIRST_RECORDS * GROWTH


@pytest.mark.parametrize("holds", [b"none", b"a"])
def test_without_the_bound_one_transaction_would_hold_all(
    world: World, monkeypatch: pytest.MonkeyPatch, holds: bytes
) -> None:
    monkeypatch.setattr(Loop, "_room", lambda _: 1_000_000)
    arrive(world)
    counting = Counting(holds)
    world.turn(world.copier("0", role_of=lambda: counting), calls=800)
    assert counting.sizes[0] > FIRST_RECORDS


def test_records_read_again_take_no_room_either(world: World) -> None:
    """The first of a batch were accounted for by the last commit; they pass with as many new ones as there is room."""

    class Again(Counting):
        def accounted_to(self, place: Partition) -> int:
            return 150

    arrive(world)
    counting = Again()
    process = world.copier("0", role_of=lambda: counting)
    world.turn(process, calls=800)
    assert process.error is None
    assert counting.parts[0] == 150 + FIRST_RECORDS


def test_a_turn_passes_on_a_record_even_without_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loop, "_room", lambda _: 0)
    world.arrive(*(b"%d" % n for n in range(5)))
    counting = Counting()
    world.turn(world.copier("0", role_of=lambda: counting), calls=800)
    assert len(world.copied()) == 5
    assert counting.parts == [1] * 5
