"""Keys and headers compared beside the values, against a count that knows which differences were planted."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from shadowstream.compare.redact import MARK
from shadowstream.kafka.joining.spill_file import SpillFile
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.records import Headers, InputCoordinate, Side
from tests.joiner.joiner_world import REVISION, Record, World, config
from tests.joiner.outcome_cases import committed, done, inputs

Planted = tuple[str, bytes | None, list[tuple[str, bytes | None]], set[str]]
"""Value, key and headers of the candidate's record, and the paths that differ from production's."""
SECRET = "a secret of this trial"
KEY, VALUE = b"key", '{"n": 1}'
HEADERS: list[tuple[str, bytes | None]] = [("trace-id", b"abc"), ("other", b"x"), ("hops", b"1"), ("hops", b"2")]
PLANTS: dict[str, Planted] = {
    "none": (VALUE, KEY, HEADERS, set()),
    "order of other names": (VALUE, KEY, [*HEADERS[2:], *HEADERS[:2]], set()),
    "a header that is not compared": (VALUE, KEY, [HEADERS[0], ("other", b"y"), *HEADERS[2:]], set()),
    "key": (VALUE, b"other", HEADERS, {"$key"}),
    "no key": (VALUE, None, HEADERS, {"$key"}),
    "key that is no text": (VALUE, b"\xff", HEADERS, {"$key"}),
    "header": (VALUE, KEY, [("trace-id", b"abd"), *HEADERS[1:]], {"$headers.trace-id"}),
    "header without a value": (VALUE, KEY, [("trace-id", None), *HEADERS[1:]], {"$headers.trace-id"}),
    "no header": (VALUE, KEY, HEADERS[1:], {"$headers.trace-id"}),
    "a repeated header": (VALUE, KEY, [HEADERS[0], *HEADERS], {"$headers.trace-id"}),
    "another order of one name": (VALUE, KEY, [*HEADERS[:2], ("hops", b"2"), ("hops", b"1")],
                                  {"$headers.hops.0", "$headers.hops.1"}),
    "value": ('{"n": 2}', KEY, HEADERS, {"n"}),
    "all": ('{"n": 2}', b"other", HEADERS[1:], {"n", "$key", "$headers.trace-id"}),
    "a tombstone and a key": ("", b"other", HEADERS, {"", "$key"}),
}  # fmt: skip
COMPARED = {"key": True, "headers": ["trace-id", "hops"]}


def world_of(compare: dict[str, Any], **more: Any) -> World:
    settings = {"identity": {"kind": "coordinate", "header": "origin"}, "compare": {"match_sample": 1, **compare}}
    return World(config(**settings | more)).begin()


def production(world: World, of: int, k: int | None = None) -> None:
    origin = f"in/0/{of}" if k is None else f"in/0/{of}/{k}"
    headers: Headers = [*HEADERS, ("origin", origin.encode())]
    world.logs[world.sides[0][0]].append(Record(KEY, VALUE.encode(), of * 10, headers))


def shadow(world: World, of: int, plant: str, k: int = 0) -> None:
    value, key, headers, _ = PLANTS[plant]
    packed = pack(REVISION, InputCoordinate(0, 0, of, k), of * 10, world.now_ms)
    own: Headers = [*headers, (PACKED_HEADER, packed)]
    world.logs[world.sides[1][0]].append(Record(key, value.encode() or None, of * 10, own))


def differing(world: World) -> dict[str, set[str]]:
    """The paths of the last row of each pair."""
    return {pair_id: {one["path"] for one in row["differences"]} for pair_id, row in world.last_words().items()}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_difference_is_found_at_its_path(plant: str) -> None:
    world = world_of(COMPARED)
    production(world, 0)
    shadow(world, 0, plant)
    world.turn()
    expected = PLANTS[plant][3]
    assert world.outcomes() == {"mismatch" if expected else "match": 1}
    assert differing(world) == {"out/0/0": expected}


@pytest.mark.parametrize("seed", range(4))
def test_planted_differences_are_counted_once_through_spill_and_restarts(seed: int) -> None:
    chance = Random(seed)
    world, spill = world_of(COMPARED), SpillFile(None, 1_000_000)
    plants = chance.choices(list(PLANTS), k=60)
    inputs(len(plants))(world)
    orders = [chance.sample(range(len(plants)), len(plants)) for _ in Side if _ is not Side.TWIN]
    for part in range(0, len(plants), 12):
        for side, order in enumerate(orders):
            for of in order[part : part + 12]:
                production(world, of) if side == 0 else shadow(world, of, plants[of])
        world.observe()
        for side in chance.sample([Side.PRODUCTION, Side.SHADOW], 2):
            world.read(side, 0, chance.randrange(1, 20))
            for task in world.joiner.tasks.values():
                task.spill(spill, 0)
        if chance.random() < 0.5:
            world.commit()
        if chance.random() < 0.5:
            world.start_joiner()
    done(len(plants), "end")(world)
    committed(len(plants))(world)
    world.turn(2)
    expected = Counter("mismatch" if PLANTS[plant][3] else "match" for plant in plants)
    assert world.outcomes() == expected
    of_pair = {f"out/0/{offset}": PLANTS[plants[of]][3] for offset, of in enumerate(orders[0])}
    assert differing(world) == of_pair
    assert not [rest for rest in world.remainders() if rest[0] == 3]
    assert not any(sum(task.store.held.bytes) for task in world.joiner.tasks.values())


@pytest.mark.parametrize("late", [Side.PRODUCTION, Side.SHADOW])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_late_record_is_compared_with_the_parts_of_the_other(late: Side, restarts: bool) -> None:
    world = world_of(COMPARED | {"redact": {"keys": True, "secret": SECRET}})
    inputs(10)(world)
    writes = [lambda: production(world, 0), lambda: shadow(world, 0, "key")]
    writes[1 - late]()
    done(10)(world)
    committed(10)(world)
    world.turn()
    if restarts:
        world.start_joiner()
    writes[late]()
    done(10)(world)
    world.turn(3)
    assert world.outcomes() == {"mismatch": 1}
    assert set(differing(world).popitem()[1]) == {"$key"}


def test_outputs_of_one_input_pair_by_all_that_is_compared() -> None:
    compare, many = {"key": True, "headers": ["trace-id", "hops"]}, {"kind": "coordinate", "header": "origin"}
    world = world_of(compare, identity=many | {"outputs": "many"})
    inputs(10)(world)
    plants = ["key", "header", "none"] * 30  # more than are compared each with each
    for k, plant in enumerate(plants):
        value, key, headers, _ = PLANTS[plant]
        own: Headers = [*headers, ("origin", f"in/0/0/{k}".encode())]
        world.logs[world.sides[0][0]].append(Record(key, value.encode(), 0, own))
        shadow(world, 0, plants[len(plants) - 1 - k], k)
    done(10)(world)
    committed(10)(world)
    world.turn(2)
    assert world.outcomes() == {"match": len(plants)}


@pytest.mark.parametrize(
    ("rule", "plant", "outcome"),
    [
        ({"path": "$key", "ignore": True}, "key", "ignored"),
        ({"path": "$headers.trace-id", "ignore": True}, "header", "ignored"),
        ({"path": "$headers.*", "ignore": True}, "another order of one name", "ignored"),
        ({"path": "$headers.hops", "lists": "unordered"}, "another order of one name", "tolerated"),
        ({"path": "$headers.trace-id", "absent_is_null": True}, "header without a value", "mismatch"),
        ({"path": "$headers.trace-id", "values": {"abc": "abd"}}, "header", "tolerated"),
        ({"path": "$headers.hops", "ignore": True}, "header", "mismatch"),
        ({"path": "n", "ignore": True}, "all", "mismatch"),
    ],
)
def test_rules_apply_to_parts_by_their_path(rule: dict[str, Any], plant: str, outcome: str) -> None:
    world = world_of(COMPARED | {"rules": [rule]})
    production(world, 0)
    shadow(world, 0, plant)
    world.turn()
    assert world.outcomes() == {outcome: 1}


@pytest.mark.parametrize(("paths", "outcome"), [(["$key"], "mismatch"), (["$key", "$headers", "n"], "expected:new")])
def test_a_declared_change_must_explain_value_and_parts_together(paths: list[str], outcome: str) -> None:
    change = {"name": "new", "paths": paths, "rate_max": 0.5, "until": "2100-01-01T00:00:00Z"}
    world = world_of(COMPARED | {"expected": [change]})
    production(world, 0)
    shadow(world, 0, "all")
    world.turn()
    assert world.outcomes() == {outcome: 1}


def test_numbers_in_headers_have_tolerances_by_a_normaliser() -> None:
    rule = {"path": "$headers.took", "normalise": ["number"], "atol": "0.2"}
    for of, (took, outcome) in enumerate({"0.3": "tolerated", "0.31": "mismatch"}.items()):
        world = world_of({"headers": ["took"], "rules": [rule]})
        world.production("k", "1", 0, origin=f"in/0/{of}", took="0.1")
        world.shadow("k", "1", of, took=took)
        world.turn()
        assert world.outcomes() == {outcome: 1}


def test_the_twin_shows_the_noise_of_keys_and_headers() -> None:
    world = World(
        config(
            identity={"kind": "id", "header": "id"},
            twin={"topic": "again", "group": "again", "commits": "after_output"},
            compare={"match_sample": 1, "headers": ["id", "trace-id"]},
        )
    ).begin()
    world.production("k", "1", 0, id="1", **{"trace-id": "a"})
    world.shadow("k", "1", 0, id="1", **{"trace-id": "a"})
    world.logs[world.sides[Side.TWIN][0]].append(Record(b"k", b"1", 0, [("id", b"1"), ("trace-id", b"b")]))
    world.turn()
    assert world.outcomes() == {"match": 1, "twin_mismatch": 1, "joint_twin": 1}


@pytest.mark.parametrize(
    ("redact", "shown"),
    [
        ({"keys": True}, {"$key": False, "$headers.trace-id": True}),
        ({"headers": ["trace-id"]}, {"$key": True, "$headers.trace-id": False}),
        ({"paths": ["$headers.trace-id"]}, {"$key": True, "$headers.trace-id": False}),
    ],
)
def test_redaction_covers_parts_as_it_covers_fields(redact: dict[str, Any], shown: dict[str, bool]) -> None:
    world = world_of(COMPARED | {"redact": redact | {"secret": SECRET}})
    production(world, 0)
    shadow(world, 0, "all")
    world.turn()
    (row,) = world.diff
    assert row["outcome"] == "mismatch"
    values = {one["path"]: one["production"] for one in row["differences"]}
    assert {path: MARK not in values[path] for path in shown} == shown


def test_without_shown_values_no_part_is_shown() -> None:
    world = world_of(COMPARED | {"examples": {"values": "hashed", "secret": SECRET}})
    production(world, 0)
    shadow(world, 0, "all")
    world.turn()
    (row,) = world.diff
    assert {one["path"] for one in row["differences"]} == PLANTS["all"][3]
    assert all(
        text is None or MARK in text for one in row["differences"] for text in (one["production"], one["shadow"])
    )


def test_a_field_criterion_judges_a_header() -> None:
    criterion = {"rate": "field", "path": "$headers.trace-id", "limit": 0.1}
    world = world_of(COMPARED, judge={"window_ms": 1_000, "criteria": [criterion]})
    inputs(40)(world)
    for of in range(40):
        production(world, of)
        shadow(world, of, "header" if of < 10 else "key")
    done(40)(world)
    committed(40)(world)
    world.turn()
    windows = [window for record in world.stats for window in record["windows"]]
    named = [one for window in windows for one in window["named"]]
    assert {(one["path"], one["n"], one["s"]) for one in named} == {("$headers.trace-id", 40, 10)}
    checks = sum((Counter(window["checks"]) for window in windows), Counter[str]())
    assert checks["there:$headers.trace-id"] == checks["looked:$headers.trace-id"] > 0
