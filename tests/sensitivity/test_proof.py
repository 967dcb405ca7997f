"""A proof tells of each plant whether the trial's own rules show it, and what the gate does then."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import comparer_of
from shadowstream.kafka.replay.sampled_pairs import with_places
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.records import Batch, InputCoordinate, Partition, Side
from shadowstream.sensitivity.agreeing_pairs import agreeing_pairs
from shadowstream.sensitivity.plants import Kind
from shadowstream.sensitivity.proof import Asked, Finding, Proof, shares_of
from shadowstream.sensitivity.words import statement
from tests.joiner.joiner_world import REVISION
from tests.sensitivity.demo_pairs import batches, comparing, demo_config, pairs_of, text

PAIRS = 300


def findings(asked: Asked, **settings: Any) -> dict[str, Finding]:
    """The findings by the words of their plants."""
    trial = demo_config(**settings)
    proof = Proof(trial, REVISION, pairs_of(PAIRS, trial), comparing(trial), asked)
    return {one.plant.words: one for one in proof.findings()}


def test_each_rule_of_the_config_decides_what_is_seen() -> None:
    found = findings(Asked([1.0], (1e-7, 1.0), ("score", "model"), runs=1))
    seen = {name: one.seen for name, one in found.items() if not one.plant.slice}
    tiny, whole = (name for name in seen if name.startswith("score +"))
    assert seen[tiny] == 0
    assert seen[whole] == seen["score gone"] == seen["record dropped"] == seen["record duplicated"] == 1
    assert seen["model changed"] == seen["record 60 s late"] == 0
    lines = statement(list(found.values()))
    assert f"  {tiny}: within a tolerance" in lines
    assert "  model changed: ignored" in lines


@pytest.mark.parametrize("tolerance_ms", [90_000, 30_000])
def test_a_late_record_is_seen_beyond_the_tolerance_of_the_identity(tolerance_ms: int) -> None:
    settings = demo_config(identity={"kind": "occurrence", "tolerance_ms": tolerance_ms})
    proof = Proof(
        settings, REVISION, pairs_of(60, settings), comparing(settings), Asked([1.0], fields=("score",), runs=1)
    )
    late = next(one for one in proof.findings() if one.plant.kind is Kind.LATE)
    assert (late.seen > 0) == (tolerance_ms < 60_000)


@pytest.mark.parametrize(
    "trial",
    [
        {"identity": {"kind": "coordinate", "header": "origin"}},
        {"identity": {"kind": "coordinate", "header": "origin", "outputs": "many"}},
        {"identity": {"kind": "id", "path": "id"}},
        {"identity": {"kind": "occurrence", "tolerance_ms": 1_000}},
        {"twin": {"topic": "again", "group": "again"}},
        {"candidate": {"topic": "adopted", "group": "adopted", "version": "2"}},
        {"bounded": True},
    ],
    ids=lambda trial: "-".join(
        f"{name}-{next(iter(part.values())) if isinstance(part, dict) else part}" for name, part in trial.items()
    ),
)
def test_a_dropped_record_is_found_in_every_kind_of_trial(trial: dict[str, Any]) -> None:
    settings = demo_config(**trial)
    asked = Asked([0.5], fields=("score",), runs=1)
    found = list(Proof(settings, REVISION, pairs_of(100, settings), comparing(settings), asked).findings())
    dropped = next(one for one in found if one.plant.kind is Kind.DROPPED)
    assert dropped.seen == 1
    assert dropped.found[0].endings["rejected"] == 1


def test_an_answer_in_the_input_is_paired_by_its_place() -> None:
    """A sample joins partitions, and plants renumber records: neither may change which output answers which input."""
    trial = demo_config(inputs=["in"], production={"answer": "result"}, identity={})
    both, answers = batches(100, trial)
    held = [text({"result": json.loads(value or b"null")}) for value in both.values]
    inputs = [
        with_places(Batch(Partition("in", p), list(range(50)), both.times_ms[p::2], both.keys[p::2], held[p::2], []))
        for p in range(2)
    ]
    outputs = [
        [(PACKED_HEADER, pack(REVISION, InputCoordinate(0, n % 2, n // 2, 0), at, at))]
        for n, at in enumerate(answers.times_ms)
    ]
    production = Batch(
        Partition("in", 0),
        list(range(100)),
        *([*getattr(inputs[0], name), *getattr(inputs[1], name)] for name in ("times_ms", "keys", "values", "headers")),
    )
    compare = comparer_of(NoSchemas(), trial, None)
    pairs = agreeing_pairs(trial, REVISION, "in", (production, replace(answers, headers=outputs)), compare)
    assert (len(pairs), pairs.unmatched, pairs.differing) == (100, 0, 0)
    asked = Asked([0.5], (1.0,), fields=("score",), runs=1)
    proven = Proof(trial, REVISION, pairs, compare, asked).findings()
    found = {one.plant.kind: one for one in proven if not one.plant.slice}
    assert found[Kind.SHIFTED].outcomes == {"mismatch": 100}
    assert found[Kind.DROPPED].outcomes == {"missing": 100}


def test_a_slice_is_planted_in_all_of_its_largest_value_only() -> None:
    found = findings(Asked([1.0], (1.0,), ("score",), runs=2))
    (sliced,) = [one for one in found.values() if one.plant.slice]
    trial = demo_config()
    carriers = pairs_of(PAIRS, trial).slices["carrier"]
    _, largest = sliced.plant.slice or ("", "")
    assert carriers.count(largest) == max(map(carriers.count, set(carriers)))
    (runs,) = sliced.found
    assert runs.affected == pytest.approx(carriers.count(largest) / len(carriers))
    assert runs.endings == {"rejected": 2, "promoted": 0, "held": 0}


def test_a_share_far_under_the_limit_is_promoted_and_not_found() -> None:
    judge = {"min_duration_ms": 0, "criteria": [{"rate": "mismatch", "limit": 0.2}]}
    trial, asked = demo_config(judge=judge), Asked([0.001], (1.0,), ("score",), runs=2, records_max=3_000)
    first = next(Proof(trial, REVISION, pairs_of(PAIRS, trial), comparing(trial), asked).findings())
    assert first.plant.kind is Kind.SHIFTED
    assert first.found[0].endings == {"rejected": 0, "promoted": 2, "held": 0}
    assert first.found[0].records is None


def test_shares_follow_the_smallest_limit_of_whole_records() -> None:
    assert shares_of(demo_config()) == [0.02, 0.05, 0.2]


def test_pairs_that_differ_and_single_records_are_left_out_and_counted() -> None:
    trial = demo_config()
    production, shadow = batches(10, trial)
    values = list(shadow.values)
    values[3] = text({"score": 9})
    shadow = shadow.part(0, 8)
    found = agreeing_pairs(
        trial, REVISION, "out", (production, type(shadow)(shadow.place, shadow.offsets, shadow.times_ms, shadow.keys,
        values[:8], shadow.headers)), comparing(trial)
    )  # fmt: skip
    assert (len(found), found.unmatched, found.differing) == (7, 2, 1)
    assert comparing(trial).decoder(Side.SHADOW).decode(found.copies.shadow.values[3])["model"] == "new"


def test_a_pair_whose_headers_differ_is_no_material_for_plants() -> None:
    assert (len(pairs_of(10, demo_config())), pairs_of(10, demo_config()).differing) == (10, 0)
    found = pairs_of(10, demo_config(compare={"headers": ["origin"]}))  # only production's records have it
    assert (len(found), found.differing) == (0, 10)
