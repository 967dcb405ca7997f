"""Plants by their rule: the one named thing of a value changes, and nothing else."""

import json
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.paths import ABSENT
from shadowstream.sensitivity.plants import Kind, Plant, paths_of, plants_of
from shadowstream.sensitivity.rewriting import Rewriter

VALUE = {"id": "a", "score": 0.5, "n": 3, "late": True, "none": None, "user": {"zip": "1", "tags": [1, 2]}}


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (Plant(Kind.SHIFTED, "score", 0.25), VALUE | {"score": 0.75}),
        (Plant(Kind.SHIFTED, "n", 0.01), VALUE | {"n": 4}),
        (Plant(Kind.SHIFTED, "n", -0.01), VALUE | {"n": 2}),
        (Plant(Kind.CHANGED, "late"), VALUE | {"late": False}),
        (Plant(Kind.CHANGED, "id"), VALUE | {"id": "a~"}),
        (Plant(Kind.CHANGED, "user.zip"), VALUE | {"user": {"zip": "1~", "tags": [1, 2]}}),
        (Plant(Kind.GONE, "score"), {name: part for name, part in VALUE.items() if name != "score"}),
        (Plant(Kind.GONE, "user.zip"), VALUE | {"user": {"tags": [1, 2]}}),
        (Plant(Kind.SHIFTED, "late", 1), ABSENT),
        (Plant(Kind.SHIFTED, "id", 1), ABSENT),
        (Plant(Kind.CHANGED, "none"), ABSENT),
        (Plant(Kind.GONE, "other"), ABSENT),
    ],
)
def test_a_plant_changes_its_field_only(plant: Plant, expected: Any) -> None:
    before = json.dumps(VALUE)
    assert plant.changed(VALUE) == expected
    assert json.dumps(VALUE) == before


def test_fields_and_their_plants_come_from_the_values() -> None:
    assert paths_of([VALUE]) == ["id", "score", "n", "late", "user.zip"]
    values = [VALUE | {"score": score, "n": n} for score, n in ((0.0, 0), (1.0, 20))]
    found = plants_of(values, ["score", "n", "late"], [0.1, 1.0])
    assert [one.words for one in found] == [
        "score +0.05 (10 % of its spread)",
        "score +0.5 (100 % of its spread)",
        "score gone",
        "n +1 (10 % of its spread)",
        "n +10 (100 % of its spread)",
        "n gone",
        "late changed",
        "late gone",
        "record dropped",
        "record 60 s late",
        "record duplicated",
    ]


def test_bytes_hold_the_planted_value_and_nothing_else_new() -> None:
    decoder, plant = Decoder(NoSchemas()), Plant(Kind.SHIFTED, "score", 0.25)
    raw = Rewriter(decoder).planted(json.dumps(VALUE).encode(), None, plant)
    assert decoder.decode(raw) == VALUE | {"score": 0.75}
    assert Rewriter(decoder).planted(b"\x00broken", None, plant) is None
    assert Rewriter(decoder).planted(b"[1]", None, plant) is None
    assert Rewriter(decoder).planted(None, None, plant) is None
