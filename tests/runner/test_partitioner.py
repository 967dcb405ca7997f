"""The partition of a key, as production's clients compute it."""

from collections import Counter

import pytest

from shadowstream.runner.partitioner import murmur2, partition_for

# The cases of Kafka's own test (clients, UtilsTest.testMurmur2).
KAFKAS_CASES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "expected"), KAFKAS_CASES.items(), ids=[key.decode() for key in KAFKAS_CASES])
def test_murmur2_is_kafkas(key: bytes, expected: int) -> None:
    assert (murmur2(key) + 2**31) % 2**32 - 2**31 == expected


def test_crc32_is_librdkafkas() -> None:
    # The check value of CRC-32, which librdkafka's rd_crc32 computes.
    assert partition_for("crc32", b"123456789", 0, 2**32) == 0xCBF43926


@pytest.mark.parametrize("kind", ["murmur2", "crc32"])
def test_a_hash_uses_every_partition_and_the_key_only(kind: str) -> None:
    keys = [b"key-%d" % n for n in range(4_000)]
    counts = Counter(partition_for(kind, key, 0, 8) for key in keys)
    assert counts.keys() == set(range(8))
    assert max(counts.values()) < 2 * min(counts.values())
    assert [partition_for(kind, key, 5, 8) for key in keys] == [partition_for(kind, key, 0, 8) for key in keys]


@pytest.mark.parametrize("kind", ["input", "murmur2", "crc32"])
def test_a_null_key_stays_in_the_partition_of_its_input(kind: str) -> None:
    assert [partition_for(kind, None, partition, 4) for partition in (0, 3, 5)] == [0, 3, 1]


def test_by_input_the_key_does_not_matter() -> None:
    assert {partition_for("input", b"%d" % n, 3, 4) for n in range(100)} == {3}
