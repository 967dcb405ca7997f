"""Which partitioner a sample shows: never guessed where it could be an accident without saying so."""

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.records import Partition
from shadowstream.runner.partitioner import partition_for
from shadowstream.runner.partitioner_detection import (
    Choice,
    Evidence,
    SampledRecord,
    choose,
    contradiction,
    evidence_of_same,
    weigh,
)

Rule = Callable[[bytes, int, int], int]
"""Key, input partition, partitions to an output's partition."""
RULES: dict[str, Rule] = {
    "input": lambda _, home, n: home % n,
    "murmur2": lambda key, _, n: partition_for("murmur2", key, 0, n),
    "crc32": lambda key, _, n: zlib.crc32(key) % n,
    "repartition": lambda key, _, n: key[-1] % n,
}


def homes(keys: list[bytes]) -> dict[bytes, list[int]]:
    """Inputs that lie by none of the hashes."""
    return {key: [i // 2 % 7] for i, key in enumerate(keys)}


def sample(rule: Rule, keys: list[bytes], n: int) -> list[SampledRecord]:
    at = homes(keys)
    return [SampledRecord(Partition("out", rule(key, at[key][0], n)), i, key) for i, key in enumerate(keys)]


KEYS = [b"key-%d" % i for i in range(200)]


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("partitions", [2, 3, 8, 50])
def test_each_partitioner_is_found_by_what_it_does(kind: str, partitions: int) -> None:
    weighed = weigh(sample(RULES[kind], KEYS, partitions), homes(KEYS), partitions, by_key=True)
    assert choose([weighed]) == Choice(kind, 200, True)


@given(
    st.sampled_from([2, 3, 4, 12]), st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=40, unique=True)
)
def test_what_production_does_is_never_refuted(partitions: int, keys: list[bytes]) -> None:
    for kind in ("input", "murmur2", "crc32"):
        weighed = weigh(sample(RULES[kind], keys, partitions), homes(keys), partitions, by_key=True)
        assert weighed[kind].survives
        assert weighed[kind].checked == len(keys)


@pytest.mark.parametrize(("partitions", "enough"), [(2, 20), (3, 13), (4, 10), (32, 4)])
def test_an_accident_is_excluded_by_exactly_enough_keys(partitions: int, enough: int) -> None:
    for n, certain in ((enough - 1, False), (enough, True)):
        assert partitions**-n <= 1e-6 or not certain
        keys = KEYS[:n]
        assert weigh(sample(RULES["crc32"], keys, partitions), {}, partitions, by_key=True)["crc32"].certain is certain


def test_a_key_seen_a_hundred_times_is_one_piece_of_evidence() -> None:
    often = [SampledRecord(Partition("out", partition_for("murmur2", b"a", 0, 3)), i, b"a") for i in range(100)]
    found = weigh(often, {}, 3, by_key=True)["murmur2"]
    assert (found.checked, found.certain) == (1, False)


def test_with_few_keys_the_first_explanation_is_chosen_as_uncertain() -> None:
    key = next(k for k in KEYS if len({RULES[kind](k, 1, 3) for kind in ("murmur2", "crc32")}) == 1)
    at = Partition("out", RULES["crc32"](key, 0, 3))
    assert choose([weigh([SampledRecord(at, 0, key)], {}, 3, by_key=True)]) == Choice("murmur2", 1, False)
    assert choose([weigh([SampledRecord(at, 0, key)], {key: [at.partition]}, 3, by_key=True)]) == Choice(
        "input", 1, False
    )


def test_without_a_key_nothing_is_reported() -> None:
    assert choose([weigh([], {}, 3, by_key=True)]) is None
    assert choose([weigh([SampledRecord(Partition("out", 1), 0, None)], {}, 3, by_key=True)]) is None


def test_no_rule_and_no_inputs_found_may_be_due_to_the_moment() -> None:
    weighed = weigh(sample(RULES["input"], KEYS, 3), {}, 3, by_key=True)
    assert choose([weighed]) == Choice("repartition", 200, False)


def test_a_key_in_several_input_partitions_is_no_evidence() -> None:
    inputs = {**homes(KEYS), KEYS[0]: [0, 1]}
    found = weigh(sample(RULES["input"], KEYS, 3), inputs, 3, by_key=True)["input"]
    assert (found.checked, found.against) == (0, ())


def test_partitions_of_the_inputs_count_modulo_those_of_the_output() -> None:
    inputs = {key: [at[0], at[0] + 3] for key, at in homes(KEYS).items()}
    found = weigh(sample(RULES["input"], KEYS, 3), inputs, 3, by_key=True)["input"]
    assert (found.checked, found.certain) == (200, True)


# ---------------------------------------------------------------- headers and null keys


def test_a_header_that_names_the_input_counts_more_than_where_keys_lie() -> None:
    named = [SampledRecord(Partition("out", i % 7 % 3), i, b"%d" % i, i % 7) for i in range(60)]
    weighed = weigh(named, {b"%d" % i: [i % 7 + 1] for i in range(60)}, 3, by_key=False)
    assert choose([weighed]) == Choice("input", 60, True)
    assert weighed["input"].exact


def test_records_without_a_key_are_evidence_where_a_header_names_their_input() -> None:
    named = [SampledRecord(Partition("out", i % 7 % 3), i, None, i % 7) for i in range(60)]
    assert choose([weigh(named, {}, 3, by_key=False)]) == Choice("input", 60, True)
    sticky = [SampledRecord(Partition("out", 1), i, None, i % 7) for i in range(60)]
    assert choose([weigh(sticky, {}, 3, by_key=False)]) == Choice("repartition", 60, True)


def test_records_without_a_key_refute_a_hash_unless_paired_by_key() -> None:
    keyed = sample(RULES["murmur2"], KEYS, 3)
    loose = SampledRecord(Partition("out", 2), 1_000, None)
    assert weigh([*keyed, loose], {}, 3, by_key=True)["murmur2"].certain
    assert weigh([*keyed, loose], {}, 3, by_key=False)["murmur2"].against == (loose,)


# ---------------------------------------------------------------- several logs


def test_a_kind_must_explain_every_log() -> None:
    one, other = (weigh(sample(RULES[kind], KEYS, 3), {}, 3, by_key=True) for kind in ("murmur2", "crc32"))
    assert choose([one, one]) == Choice("murmur2", 200, True)
    assert (choose([one, other]) or Choice("", 0, False)).kind == "repartition"


def test_two_logs_by_one_rule_that_nobody_knows_are_the_same() -> None:
    production = sample(RULES["repartition"], KEYS, 3)
    weighed = [weigh(production, homes(KEYS), 3, by_key=True) for _ in range(2)]
    weighed[1]["same"] = evidence_of_same(production, production, 3)
    assert choose(weighed) == Choice("same", 200, True)
    weighed[1]["same"] = evidence_of_same(sample(RULES["crc32"], KEYS, 3), production, 3)
    assert choose(weighed) == Choice("repartition", 200, True)


# ---------------------------------------------------------------- contradictions


def test_a_stray_is_no_change_and_two_of_a_hundred_are() -> None:
    stray = SampledRecord(Partition("out", 1), 7, b"k")
    assert not Evidence("murmur2", 3, 100, (stray,)).contradicted
    assert Evidence("murmur2", 3, 100, (stray, stray)).contradicted
    assert Evidence("murmur2", 3, 20, (stray,)).contradicted


def test_a_changed_partitioner_is_noticed_before_half_the_sample_is_new() -> None:
    before, after = sample(RULES["input"], KEYS[:140], 2), sample(RULES["murmur2"], KEYS, 2)[140:]
    assert weigh(before, homes(KEYS), 2, by_key=True)["input"].survives
    assert not weigh(before + after[:20], homes(KEYS), 2, by_key=True)["input"].survives
    changed = sample(RULES["murmur2"], KEYS, 2)
    assert weigh(changed, homes(KEYS), 2, by_key=True)["input"].contradicted


def test_a_contradiction_leads_to_the_records_and_shows_no_key() -> None:
    found = weigh(sample(RULES["crc32"], KEYS, 3), homes(KEYS), 3, by_key=True)["murmur2"]
    sentence = contradiction("out", found)
    first = found.against[0]
    assert f"out/{first.source.partition}@{first.offset}" in sentence
    assert f"of 200 keys sampled of topic 'out' with 3 partitions, {len(found.against)} are in partitions" in sentence
    assert "key-" not in sentence
