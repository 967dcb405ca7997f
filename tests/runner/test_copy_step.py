"""Copies of production's outputs by identity: nothing changes but the partition, and both sides find the same one."""

import json
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.protocol.headers import ORIGIN_HEADER, unpack_origin
from shadowstream.records import Batch, Commit, Headers, Partition, Side, Write
from shadowstream.runner.copy_step import CopyStep, Route, copied_to_ms
from shadowstream.runner.partitioner import IdentityPartitioner, partition_for
from tests.least_config import least_config

OUT = Partition("out", 2)
PARTITIONS = 3
NOTHING = "copy2:-1"
NOW_MS = 1_000_000


def homes(**identity: Any) -> IdentityPartitioner:
    return IdentityPartitioner(least_config(identity=identity), Decoder(NoSchemas()).decode_many)


def copier(position: int = 0, metadata: str | None = NOTHING, **identity: Any) -> CopyStep:
    step = CopyStep(homes(**identity), {"out": Route("shadow.t.repartition.out", PARTITIONS, Side.PRODUCTION)})
    step.assign(OUT, position, metadata)
    return step


def batch(keys: list[bytes | None], values: list[Any] | None = None, headers: list[Headers] | None = None) -> Batch:
    n = len(keys)
    raw = [None if v is None else json.dumps(v).encode() for v in values or ["v"] * n]
    return Batch(OUT, range(10, 10 + n), [5_000 + i for i in range(n)], keys, raw, headers or [None] * n)


def copies(step: CopyStep) -> list[Write]:
    return step.prepare()[0]


def partitions(read: Batch, **identity: Any) -> list[int | None]:
    """Where the copies go."""
    step = copier(**identity)
    step.copy(read, NOW_MS)
    return [write.partition for write in copies(step)]


def test_a_copy_is_its_original_with_its_place_in_a_header() -> None:
    step = copier()
    step.copy(batch([b"k"], [None], [[("trace", b"1"), (ORIGIN_HEADER, b"production's own")]]), NOW_MS)
    (write,) = copies(step)
    assert (write.topic, write.key, write.value, write.time_ms) == ("shadow.t.repartition.out", b"k", None, 5_000)
    assert (write.headers or [])[:2] == [("trace", b"1"), (ORIGIN_HEADER, b"production's own")]
    name, raw = (write.headers or [])[-1]
    assert (name, unpack_origin(raw)) == (ORIGIN_HEADER, (2, 10))


KEYS: list[bytes | None] = [b"order-%d" % i for i in range(50)]


@pytest.mark.parametrize("kind", ["key", "occurrence"])
def test_by_key_both_sides_meet_where_murmur2_puts_it(kind: str) -> None:
    found = partitions(batch(KEYS), kind=kind)
    assert set(found) == set(range(PARTITIONS))
    assert found == [partition_for("murmur2", key, 0, PARTITIONS) for key in KEYS]
    assert found == [homes(kind=kind).of_output(key, b"{}", [], 1, PARTITIONS) for key in KEYS]


def test_by_coordinate_both_sides_meet_in_their_inputs_partition() -> None:
    identity: dict[str, Any] = {"kind": "coordinate", "header": "x"}
    named: list[Headers] = [[("x", b"in/%d/9" % home)] for home in range(8)]
    found = partitions(batch([None] * 8, headers=named), **identity)
    assert found == [home % PARTITIONS for home in range(8)]
    assert found == [homes(**identity).of_output(None, b"{}", [], home, PARTITIONS) for home in range(8)]


def test_both_sides_are_partitioned_by_the_hash_of_a_header_id() -> None:
    identity: dict[str, Any] = {"kind": "id", "header": "trace"}
    ids = [b"id-%d" % i for i in range(20)]
    found = partitions(batch([None] * 20, headers=[[("trace", one)] for one in ids]), **identity)
    assert set(found) == set(range(PARTITIONS))
    assert found == [homes(**identity).of_output(b"k", b"{}", [("trace", one)], 1, PARTITIONS) for one in ids]


def test_both_sides_are_partitioned_by_a_field_id_in_any_format() -> None:
    identity: dict[str, Any] = {"kind": "id", "path": "order.id"}
    found = partitions(batch([None] * 20, [{"order": {"id": i}} for i in range(20)]), **identity)
    assert set(found) == set(range(PARTITIONS))
    candidate = [b'{ "order" : {"more": 1, "id": %d}}' % i for i in range(20)]
    assert found == [homes(**identity).of_output(b"k", value, [], 1, PARTITIONS) for value in candidate]


@pytest.mark.parametrize(
    ("identity", "headers", "value"),
    [
        ({"kind": "key"}, None, "v"),
        ({"kind": "coordinate", "header": "x"}, [("x", b"other/1/2")], "v"),
        ({"kind": "id", "header": "trace"}, None, "v"),
        ({"kind": "id", "path": "id"}, None, {"id": None}),
        ({"kind": "id", "path": "id"}, None, None),
    ],
)
def test_what_pairs_nowhere_keeps_its_partition_number(identity: dict[str, Any], headers: Headers, value: Any) -> None:
    assert partitions(batch([None], [value], [headers]), **identity) == [OUT.partition]


def test_offsets_are_committed_with_the_copies_and_control_records_are_passed() -> None:
    step = copier(10)
    step.copy(batch([b"a", b"b"]), NOW_MS)
    writes, commits = step.prepare()
    assert (len(writes), commits) == (2, [Commit(OUT, 12, "copy2:5001")])
    assert not step.reached({OUT: 12}), "not committed yet"
    step.committed()
    assert step.reached({OUT: 12})
    assert step.prepare() == ([], [])
    step.end(OUT, 14)
    assert not step.reached({OUT: 14})
    assert step.prepare() == ([], [Commit(OUT, 14, "copy2:5001")])


def test_a_new_owner_resumes_from_the_committed_greatest_event_time() -> None:
    step = copier(10, "copy2:9000")
    step.copy(batch([b"a", b"b"]), NOW_MS)
    assert step.prepare()[1] == [Commit(OUT, 12, "copy2:9000")], "times 5000 and 5001 are out of order"
    later = copier(12, "copy2:4000")
    later.copy(Batch(OUT, [12, 13], [5_000, 5_001], [b"a", b"b"], [b"1", b"2"], [None, None]), NOW_MS)
    assert [copied_to_ms(commit.metadata) for commit in later.prepare()[1]] == [5_001]


def test_an_empty_partition_gets_a_commit_too() -> None:
    assert copier(7, None).prepare() == ([], [Commit(OUT, 7, NOTHING)])
    assert copier(7).prepare() == ([], [])


def test_foreign_commits_and_offsets_read_twice_are_errors() -> None:
    for foreign in ("1abc", "copy1"):
        with pytest.raises(ConfigError, match="did another program commit"):
            copier(0, foreign)
    step = copier(11)
    with pytest.raises(ShadowstreamBug, match="read again"):
        step.copy(batch([b"a"]), NOW_MS)


def test_after_an_abort_nothing_of_it_is_left() -> None:
    step = copier()
    step.copy(batch([b"a"]), NOW_MS)
    step.drop()
    step.assign(OUT, 0, NOTHING)
    assert step.prepare() == ([], [])
