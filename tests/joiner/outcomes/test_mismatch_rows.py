"""Rows of mismatches in columns, and what is counted with them, are those of pairs compared and written one by one."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.compare.column_differences import ColumnDifferences
from shadowstream.compare.comparer import comparer
from shadowstream.compare.differences import deltas_of, difference, texts_of
from shadowstream.joiner.accounting import pairs_together, row_writer
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.records import InputCoordinate, Side
from tests.compare.avro_cases import Given
from tests.joiner.joiner_world import REVISION, Record, World, config

SECRET = "of this trial, long enough"
TASKS, PAIRS = 3, 100
LONG = "x" * 300
TEXTS = ["", "a", "b", '"\\\n', "é…", LONG, LONG + "1", LONG + "2", "y" * 255, "z" * 70, "2026-01-31T00:00:00Z", "4711"]
FRACTIONS = [0.0, -0.0, 1.0, 0.1, 1e-4, 1e-5, 9.999e-5, 1e16, 1e15, 1e300, -1e300, 2.5, math.nan, math.inf, -math.inf]
WHOLES = [0, 1, -1, 127, 2**31 - 1, -(2**31)]
LARGE = [*WHOLES, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
DATES = [0, 1, 20_000]
VALUES: dict[str, tuple[Any, Callable[[random.Random], Any]]] = {
    "score": ("double", lambda dice: dice.choice(FRACTIONS)),
    "near": ("double", lambda dice: 1 + dice.choice([0, 1e-4, 1])),
    "single": ("float", lambda dice: dice.choice([0.0, 0.5, 1.25, math.nan])),
    "n": ("long", lambda dice: dice.choice(LARGE)),
    "whole": ("int", lambda dice: dice.choice(WHOLES)),
    "is_on": ("boolean", lambda dice: dice.random() < 0.5),
    "text": ("string", lambda dice: dice.choice(TEXTS)),
    "note": (["null", "string"], lambda dice: dice.choice([None, *TEXTS])),
    "maybe": (["null", "double"], lambda dice: dice.choice([None, *FRACTIONS])),
    "day": ({"type": "int", "logicalType": "date"}, lambda dice: dice.choice(DATES)),
    "noise": ("double", lambda dice: dice.random()),
    "tags": ({"type": "array", "items": "string"}, lambda dice: dice.choice([[], ["a"], ["b"]])),
    "weights": ({"type": "map", "values": "double"}, lambda dice: dice.choice([{}, {"a": 1.0}, {"a": 2.0}])),
}
PERSON = {
    "type": "record",
    "name": "Person",
    "fields": [{"name": "name", "type": "string"}, {"name": "age", "type": ["null", "int"]}],
}
WIDE = 35
SCHEMA = {
    "type": "record",
    "name": "Score",
    "fields": [
        *({"name": name, "type": kind} for name, (kind, _) in VALUES.items()),
        {"name": "person", "type": PERSON},
        {"name": "other", "type": ["null", {**PERSON, "name": "Other"}]},
        *({"name": f"x{n}", "type": "int"} for n in range(WIDE)),
    ],
}
EQUAL = 0.85
"""The share of fields that both sides have alike: some pairs differ in plain fields only, some in others too."""

CRITERIA = [{"rate": "mismatch", "limit": 0.1}, {"rate": "field", "path": "person", "limit": 0.1}]
RULES = [{"path": "near", "atol": 0.01}, {"path": "noise", "ignore": True}]
SETTINGS: dict[str, dict[str, Any]] = {
    "shown": {},
    "numbers": {"compare": {"examples": {"values": "numbers", "secret": SECRET}}},
    "hashed": {"compare": {"examples": {"values": "hashed", "secret": SECRET}}},
    "none": {"compare": {"examples": {"values": "none", "secret": SECRET}}},
    "redacted": {"compare": {"redact": {"paths": ["person.name", "score", "text"], "secret": SECRET, "keys": True}}},
    "dropped": {"compare": {"redact": {"paths": ["person", "n"], "how": "drop", "secret": SECRET}}},
    "dimensions": {
        "compare": {"dimensions": [{"name": "is_on", "path": "is_on"}, {"name": "text", "path": "text"}]},
        "judge": {"window_ms": 1_000, "criteria": CRITERIA},
    },
    "expected": {
        "compare": {"expected": [{"name": "new", "paths": ["score"], "rate_max": 0.5, "until": "2030-01-01T00:00:00Z"}]}
    },
    "coordinate": {"identity": {"kind": "coordinate", "header": "origin"}},
    "id": {"identity": {"kind": "id", "header": "origin"}},
    "as JSON too": {"compare": {"diff_json": True}},
}


def value(dice: random.Random) -> dict[str, Any]:
    person, other = ({"name": dice.choice(TEXTS), "age": dice.choice([None, 1, 2])} for _ in range(2))
    wide = dict.fromkeys((f"x{n}" for n in range(WIDE)), dice.choice([0, 0, 0, 1]))
    drawn = {name: draw(dice) for name, (_, draw) in VALUES.items()}
    return {**drawn, "person": person, "other": dice.choice([None, other]), **wide}


def key(dice: random.Random, n: int) -> bytes:
    begin = dice.choice([b"k", b'{"b": 1, "a": ', b"\x00\x00\x00\x00\x01", b"\xff", b"\xc3\x01"])
    return begin + b"%d" % n + (b"}" if begin[:1] == b"{" else b"")


def filled(settings: dict[str, Any], seed: int) -> World:
    """A trial whose tasks have from one to many pairs in Avro; two thirds of them differ."""
    dice = random.Random(seed)
    compare = {"match_sample": 0.1, "rules": RULES} | settings.get("compare", {})
    world = World(config(**settings | {"compare": compare}), outputs=TASKS)
    source = Given(SCHEMA)
    world.compare = comparer(source, world.config.compare)
    for partition, pairs in enumerate((1, 20, PAIRS)):
        for n in range(pairs):
            one, changed = value(dice), value(dice)
            few = {name: part for name, part in changed.items() if dice.random() > EQUAL}
            plain = {name: part for name, part in few.items() if name not in ("tags", "day")}
            wide = {name: part + 1 for name, part in one.items() if name.startswith("x")}
            other = dice.choice([one, one | few, one | plain, one | plain, one | plain | wide])
            named, time_ms = key(dice, n), dice.choice([dice.randrange(3_000), 1_767_225_600_000 + n])
            packed = pack(REVISION, InputCoordinate(0, 0, n, 0), time_ms, time_ms)
            for side, its in ((Side.PRODUCTION, one), (Side.SHADOW, other)):
                headers = [("origin", b"in/0/%d" % n), *([(PACKED_HEADER, packed)] if side is Side.SHADOW else [])]
                record = Record(named, source.frame(1, its), time_ms, headers)
                world.logs[world.sides[side][partition]].append(record)
    return world.begin()


def commits(settings: dict[str, Any], seed: int) -> Iterator[object]:
    """Yield what each of several commits writes, rows of diff as bytes, and what it counts."""
    world = filled(settings, seed)
    world.observe()
    diff = world.config.plan.of("diff")
    for n in (40, 500):
        for partition in range(TASKS):
            for side in (Side.PRODUCTION, Side.SHADOW):
                world.read(side, partition, n)
        prepared = world.joiner.prepare(world.now_ms)
        yield [one if one.topic.startswith(diff) else own.decode(one.value or b"") for one in prepared.writes]
        yield prepared.commits, [(dict(one.paths), one.rows_cut) for one in world.joiner.prepared_counts()]
        world.joiner.committed()


def assert_columns_write_what_rows_write(name: str, seed: int) -> None:
    written: list[int] = []
    real = row_writer.mismatches_of

    def spied(*of: Any) -> Any:
        found = real(*of)
        written.append(len(found or ()))
        return found

    with patch.object(pairs_together, "mismatches_of", spied):
        by_columns = list(commits(SETTINGS[name], seed))
    assert (sum(written) > PAIRS / 4) == (name not in ("as JSON too", "expected"))
    written.clear()
    with patch.object(ColumnDifferences, "add", lambda *_: None):
        assert list(commits(SETTINGS[name], seed)) == by_columns
    assert not written


@pytest.mark.parametrize("name", SETTINGS)
def test_columns_write_and_count_what_rows_do(name: str) -> None:
    assert_columns_write_what_rows_write(name, 1)


@pytest.mark.long
@pytest.mark.parametrize("name", SETTINGS)
def test_columns_write_and_count_what_rows_do_in_many_trials(name: str) -> None:
    for seed in range(2, 20):
        assert_columns_write_what_rows_write(name, seed)


fields = st.one_of(
    *(
        st.lists(st.tuples(inner, inner), min_size=1, max_size=5)
        for kind in (
            st.floats() | st.sampled_from(FRACTIONS),
            st.integers(-(2**63), 2**63 - 1),
            st.booleans(),
            st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TEXTS),
        )
        for inner in (kind, kind | st.none())
    )
)


@given(fields)
def test_texts_and_distances_of_columns_are_those_of_each_difference(pairs: list[tuple[Any, Any]]) -> None:
    production, shadow = map(list, zip(*pairs, strict=True))
    texts, deltas = texts_of(production, shadow), deltas_of(production, shadow)
    for n, (one, other) in enumerate(pairs):
        single = difference(("a",), "value", one, other)
        assert (texts[0][n].decode(), texts[1][n].decode()) == (single.production, single.shadow)
        assert repr(deltas[n]) == repr(single.delta)
