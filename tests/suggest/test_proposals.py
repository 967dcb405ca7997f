"""Planted noise is found with exact counts, and a planted change or bug is never proposed as noise."""

import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from shadowstream.suggest.copies import marks_of
from shadowstream.suggest.noise import time_ms
from tests.suggest.planted import BEGIN_MS, PAIRS, Answer, Value, iso, pairs_of, proposals, read_pair, time_of, uuid

NOISE: dict[str, tuple[Value, Answer, str, dict[str, Any]]] = {
    "time of processing": (
        lambda dice, n: iso(time_of(n) + dice.randrange(300)),
        lambda _, dice, n: iso(time_of(n) + 200 + dice.randrange(200)),
        "ignore",
        {"ignore": True},
    ),
    "time of processing in ms": (
        lambda dice, n: time_of(n) + dice.randrange(150),
        lambda _, dice, n: time_of(n) + 200 + dice.randrange(200),
        "ignore",
        {"ignore": True},
    ),
    "uuid": (lambda dice, n: uuid(dice), lambda _, dice, n: uuid(dice), "ignore", {"ignore": True}),
    "token": (
        lambda dice, n: f"{dice.getrandbits(96):024x}",
        lambda _, dice, n: f"{dice.getrandbits(96):024x}",
        "ignore",
        {"ignore": True},
    ),
    "id that begins with the time": (
        lambda dice, n: f"{BEGIN_MS + n:012x}{dice.getrandbits(80):020x}",
        lambda _, dice, n: f"{BEGIN_MS + n:012x}{dice.getrandbits(80):020x}",
        "ignore",
        {"ignore": True},
    ),
    "single precision": (
        lambda dice, n: dice.uniform(-1000, 1000),
        lambda value, dice, n: struct.unpack("f", struct.pack("f", value))[0],
        "tolerance",
        {"atol": 0.00005},
    ),
    "jitter": (
        lambda dice, n: dice.random(),
        lambda value, dice, n: value + dice.uniform(-1, 1) * 0.0009,
        "tolerance",
        {"atol": 0.001},
    ),
    "relative jitter": (
        lambda dice, n: 10 ** dice.uniform(-3, 6),
        lambda value, dice, n: value * (1 + dice.uniform(-1, 1) * 0.0009),
        "tolerance",
        {"rtol": 0.001},
    ),
    "cut digits": (
        lambda dice, n: dice.random(),
        lambda value, dice, n: int(value * 1e6) / 1e6,
        "tolerance",
        {"atol": 0.000001},
    ),
    "case": (
        lambda dice, n: f"Order Of {n}",
        lambda value, dice, n: value.upper(),
        "normalise",
        {"ignore_case": True},
    ),
    "white space": (
        lambda dice, n: f"order of {n}",
        lambda value, dice, n: f" {value}  ",
        "normalise",
        {"ignore_space": True},
    ),
    "spelling of a time": (
        lambda dice, n: iso(time_of(n) - 90_000_000),
        lambda value, dice, n: value.replace("+00:00", "Z"),
        "normalise",
        {"normalise": ["utc"]},
    ),
    "form of a time": (
        lambda dice, n: time_of(n) - 90_000_000 + n,
        lambda value, dice, n: iso(value),
        "normalise",
        {"round_ms": 1, "epoch": "ms"},
    ),
    "number as text": (
        lambda dice, n: n * 7,
        lambda value, dice, n: str(value),
        "normalise",
        {"normalise": ["number"]},
    ),
    "int as fraction": (
        lambda dice, n: n * 7,
        lambda value, dice, n: float(value),
        "normalise",
        {"types": "loose"},
    ),
}
DRAWN = {"uuid", "token", "id that begins with the time"}
LISTS: dict[str, tuple[Value, Answer, dict[str, Any]]] = {
    "order": (
        lambda dice, n: [n, n + 1, n + 2],
        lambda value, dice, n: value[::-1],
        {"lists": "unordered"},
    ),
    "number": (
        lambda dice, n: [n, n + 1, n + 2],
        lambda value, dice, n: [*value, value[0]],
        {"lists": "set"},
    ),
}
BUGS: dict[str, tuple[Value, Answer]] = {
    "shifted score": (lambda dice, n: dice.random(), lambda value, dice, n: value + 0.05),
    "scaled amount": (lambda dice, n: dice.randrange(1, 10**6), lambda value, dice, n: value * 100),
    "score that is mostly greater": (
        lambda dice, n: dice.random(),
        lambda value, dice, n: value + dice.uniform(-0.001, 0.02),
    ),
    "score at random": (lambda dice, n: dice.random(), lambda value, dice, n: dice.random()),
    "decision at random": (lambda dice, n: dice.random() < 0.5, lambda value, dice, n: not value),
    "other decision": (
        lambda dice, n: dice.choice(["allow", "block"]),
        lambda value, dice, n: "review",
    ),
    "another time": (
        lambda dice, n: iso(time_of(n) + 3_600_000 * dice.randrange(1, 90)),
        lambda value, dice, n: iso(time_of(n) + 3_600_000 * dice.randrange(1, 90)),
    ),
    "a time that is late by the same": (
        lambda dice, n: iso(time_of(n) + 100),
        lambda value, dice, n: iso(time_of(n) + 350),
    ),
    "the id of another pair": (
        lambda dice, n: uuid(Random(n)),
        lambda value, dice, n: uuid(Random(n + 1)),
    ),
    "free text": (
        lambda dice, n: f"order {n} of {dice.random()}",
        lambda value, dice, n: f"refused {n} since {dice.random()}",
    ),
    "flipped sign of small numbers": (
        lambda dice, n: dice.choice([-1, 1]) * dice.random() if n % 5 == 0 else dice.uniform(-1000, 1000),
        lambda value, dice, n: -value,
    ),
    "flipped sign and jitter": (
        lambda dice, n: dice.uniform(-1, 1) if n % 5 == 0 else dice.uniform(-1000, 1000),
        lambda value, dice, n: -value + dice.uniform(-1, 1) * 0.01,
    ),
    "small numbers cut off at a bound": (
        lambda dice, n: dice.uniform(-1, 1) if n % 5 == 0 else dice.uniform(-1000, 1000),
        lambda value, dice, n: max(-0.1, min(0.1, value)),
    ),
    "a small fee too much": (lambda dice, n: dice.uniform(0, 1000), lambda value, dice, n: value + 0.01),
    "large int through a double": (
        lambda dice, n: dice.getrandbits(62) | 2**61 | 1,
        lambda value, *_: int(float(value)),
    ),
    "cut token": (lambda dice, n: f"{dice.getrandbits(128):032x}", lambda value, dice, n: value[:24]),
    "token with a wrong character": (
        lambda dice, n: f"{dice.getrandbits(124):031x}a",
        lambda value, dice, n: value[:-1] + "b",
    ),
    "field lost": (lambda dice, n: dice.random(), lambda value, dice, n: None),
}


@pytest.mark.parametrize("name", NOISE)
def test_planted_noise_is_found_with_its_exact_count(name: str) -> None:
    value, answer, kind, settings = NOISE[name]
    (found,) = proposals(pairs_of(value, answer))
    assert (found.kind, dict(found.entry)) == (kind, {"path": "field", **settings})
    assert (found.explains, found.only_here, found.hides) == (PAIRS, PAIRS, 0)
    assert found.by_default
    assert found.refused is None


@pytest.mark.parametrize("name", sorted(NOISE.keys() - DRAWN))
def test_noise_beside_a_bug_of_the_same_field_leaves_the_bug(name: str) -> None:
    value, answer, _, settings = NOISE[name]
    pairs = pairs_of(value, answer)
    bad = range(0, PAIRS, 30)
    for n in bad:
        pairs[n] = replace_field(pairs[n], None)
    (found,) = [one for one in proposals(pairs) if one.refused is None]
    assert dict(found.entry) == {"path": "field", **settings}
    # Only what ignores the field hides the bug, and then says so and is not taken by default.
    hides = len(bad) if found.kind == "ignore" else 0
    assert (found.explains, found.hides) == (PAIRS - len(bad) + hides, hides)
    assert found.by_default == (hides == 0)


def replace_field(pair: Any, value: Any) -> Any:
    return pair._replace(candidate={**pair.candidate, "field": value})


@pytest.mark.parametrize("name", LISTS)
def test_lists_in_any_order_are_taken_only_if_named(name: str) -> None:
    value, answer, settings = LISTS[name]
    (found,) = proposals(pairs_of(value, answer))
    assert (dict(found.entry), found.explains) == ({"path": "field", **settings}, PAIRS)
    assert not found.by_default


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_not_proposed_as_noise(name: str, every: int) -> None:
    pairs = [
        pair for pair in pairs_of(*BUGS[name], every=every, pairs=PAIRS * every) if pair.production != pair.candidate
    ]
    assert len(pairs) > PAIRS // 2
    found = proposals(pairs, compared=PAIRS * every)
    assert found
    assert not [one for one in found if one.section == "rules" and one.refused is None]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shifted score", "plus 0.05"),
        ("scaled amount", "times 100"),
        ("score that is mostly greater", "greater one"),
    ],
)
def test_a_systematic_change_is_a_change_to_accept(name: str, text: str) -> None:
    (found,) = proposals(pairs_of(*BUGS[name]))
    assert (found.section, found.entry["paths"]) == ("expected", ["field"])
    assert text in found.why


def test_a_change_counts_the_pairs_of_another_pattern_as_hidden() -> None:
    pairs = pairs_of(lambda dice, n: dice.random(), lambda value, dice, n: value + 0.05)
    for n in range(7):
        pairs[n] = replace_field(pairs[n], "text")
    found = [one for one in proposals(pairs) if one.refused is None]
    assert all(one.explains + one.hides <= PAIRS for one in found)
    assert [(one.explains, one.hides) for one in found if one.section == "expected"] in ([], [(PAIRS - 7, 7)])


def test_values_that_became_others_are_one_change_each() -> None:
    words = {"new": "created", "done": "closed"}
    pairs = pairs_of(lambda dice, n: ("new", "done", "open")[n % 3], lambda value, dice, n: words.get(value, value))
    found = proposals([pair for pair in pairs if pair.production != pair.candidate], compared=PAIRS)
    assert {(one.entry["production"], one.entry["shadow"]): one.explains for one in found} == {
        ("new", "created"): PAIRS // 3,
        ("done", "closed"): PAIRS // 3,
    }


@pytest.mark.parametrize(("removed", "kind"), [(False, "only the candidate"), (True, "only production")])
def test_a_field_of_one_side_is_a_change(removed: bool, kind: str) -> None:
    pairs = [
        pair._replace(**{side: {"id": pair.production["id"]}})
        for pair in pairs_of(lambda dice, n: n, lambda value, dice, n: value)
        for side in ["candidate" if removed else "production"]
    ]
    (found,) = proposals(pairs)
    assert (found.section, found.explains, found.hides) == ("expected", PAIRS, 0)
    assert kind in found.why


def test_an_absent_null_is_a_normaliser() -> None:
    pairs = [
        pair._replace(candidate={"id": pair.production["id"]})
        for pair in pairs_of(lambda dice, n: None, lambda value, dice, n: value)
    ]
    (found,) = proposals(pairs)
    assert (dict(found.entry), found.explains) == ({"path": "field", "absent_is_null": True}, PAIRS)


def test_drawn_values_that_agree_in_some_pairs_are_not_ignored() -> None:
    value, answer, *_ = NOISE["uuid"]
    (found,) = proposals(pairs_of(value, answer), compared=2 * PAIRS)
    assert found.refused is not None
    assert "50 % of the pairs only" in found.refused


COPIES: dict[str, tuple[str, Callable[[Any, int], dict[str, Any]]]] = {
    "an id": ("uuid", lambda given, n: {"value": {"order": {"id": given}}}),
    "an id in other case": ("uuid", lambda given, n: {"value": {"id": given.upper()}}),
    "a part of a text": ("uuid", lambda given, n: {"value": {"id": f"urn:order:{given}"}}),
    "a key": ("token", lambda given, n: {"texts": [given.encode()]}),
    "a time": ("time of processing", lambda given, n: {"value": {"at": given}}),
    "a time in another form": ("time of processing", lambda given, n: {"value": [{"at": time_ms(given, 0)}]}),
    "the input's own time": ("time of processing in ms", lambda given, n: {"input_ms": given}),
}


@pytest.mark.parametrize("name", COPIES)
def test_values_that_production_copies_from_its_input_are_no_noise(name: str) -> None:
    noise, given = COPIES[name]
    pairs = [
        pair._replace(
            input=marks_of(**{"value": None, "texts": (), "input_ms": BEGIN_MS, **given(pair.production["field"], n)})
        )
        for n, pair in enumerate(pairs_of(*NOISE[noise][:2]))
    ]
    found = proposals(pairs)
    assert found
    assert not [one for one in found if one.section == "rules" and one.refused is None]


@pytest.mark.parametrize("noise", [name for name, (*_, settings) in NOISE.items() if settings == {"ignore": True}])
def test_no_field_is_ignored_by_default_without_its_inputs(noise: str) -> None:
    (found,) = proposals([pair._replace(input=None) for pair in pairs_of(*NOISE[noise][:2])])
    assert (found.kind, found.by_default) == ("ignore", False)
    assert "input, which was not read" in found.why


def test_too_few_pairs_show_no_pattern() -> None:
    value, answer, *_ = NOISE["uuid"]
    (found,) = proposals(pairs_of(value, answer, pairs=19))
    assert found.refused is not None
    assert "only 19" in found.refused


def test_a_rule_of_the_config_keeps_what_it_tolerates() -> None:
    pairs = pairs_of(*NOISE["case"][:2])
    spaced = [replace_field(pair, f" {pair.candidate['field']}") for pair in pairs]
    (found,) = proposals(spaced, {"rules": [{"path": "*", "ignore_space": True}]})
    assert dict(found.entry) == {"path": "field", "ignore_space": True, "ignore_case": True}
    assert found.explains == PAIRS


def test_elements_of_lists_have_one_path() -> None:
    dice = Random(3)
    pairs = []
    for pair in pairs_of(lambda _, n: n, lambda value, _, n: value):
        items = [{"price": dice.random()} for _ in range(3)]
        near = [{"price": one["price"] + dice.uniform(-1, 1) * 9e-7} for one in items]
        pairs.append(pair._replace(production={"items": items}, candidate={"items": near}))
    (found,) = proposals(pairs)
    assert (dict(found.entry), found.explains) == ({"path": "items.*.price", "atol": 0.000001}, PAIRS)


def test_names_of_a_map_are_no_fields() -> None:
    pairs = [
        pair._replace(production={"by": {f"u{n}": n / 7}}, candidate={"by": {f"u{n}": n / 7 + (-1) ** n * 1e-9}})
        for n, pair in enumerate(pairs_of(lambda _, n: n, lambda value, _, n: value))
    ]
    (found,) = proposals(pairs)
    assert (found.path, found.kind, found.explains) == ("by.*", "tolerance", PAIRS)


def test_weights_add_up_to_rows() -> None:
    value, answer, *_ = NOISE["case"]
    pairs = [replace_weight(pair, 2.5) for pair in pairs_of(value, answer)]
    (found,) = proposals(pairs)
    assert found.rows == 2.5 * PAIRS
    assert replace(found, rows=0.0).explains == PAIRS


def replace_weight(pair: Any, weight: float) -> Any:
    return pair._replace(weight=weight)


def test_noise_in_a_header_is_proposed_by_the_path_of_the_header() -> None:
    dice = Random(1)

    def drawn() -> dict[str, Any]:
        return {"$headers": {"trace": uuid(dice)}}

    pairs = [read_pair(n, {"id": n}, {"id": n})._replace(parts=(drawn(), drawn())) for n in range(PAIRS)]
    (found,) = proposals(pairs)
    assert (dict(found.entry), found.explains) == ({"path": "$headers.trace", "ignore": True}, PAIRS)
