"""Scenes: ten pairs of values under one set of schemas and rules, with what each of them must give."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from tests.compare.proof import avro_types, beside, json_types, proto_types
from tests.compare.proof.avro_types import COLUMN_TYPES, ROW_TYPES, dealt
from tests.compare.proof.evolving import Evolved, two_records
from tests.compare.proof.model import Edit, Field, Record, Type, Union
from tests.compare.proof.oracle import Node, Rule, Verdict, text_of_path, verdict
from tests.compare.proof.ruling import kinds_of_path, ruled

PAIRS = 10
FIELDS = 6


class Case(NamedTuple):
    """A pair of raw values. `name`: the kind of edit; `places` what the edit says of itself; `must`: what holds."""

    production: bytes | None
    shadow: bytes | None
    name: str
    must: Verdict


class Scene(NamedTuple):
    """`schemas` by their ids from 1; `rules` as the oracle reads them, each with its `path` as text."""

    number: int
    label: str
    schemas: list[Any]
    rules: list[Rule]
    added: str
    cases: list[Case]
    kinds: tuple[str, ...] = ()
    """What the scene covers, whatever is edited."""


class Made(NamedTuple):
    """Types, schemas, and how a value of a side (0, 1) is written."""

    evolved: Evolved
    schemas: list[Any]
    write: Callable[[int, Any, Random], bytes]


class Disputed(Exception):
    """Generator and oracle do not agree on what an edit does: one of them is wrong."""


def judged(edit: Edit, nodes: tuple[Node, Node], plain: Node | None, rules: list[Rule], added: str) -> Verdict:
    """What the oracle says, once it agrees with what the edit says of itself."""
    if plain is not None and edit.places is not None and verdict(nodes[0], plain, []).outcome == "match":
        claimed = frozenset((text_of_path(at), kind) for at, kind in edit.places)
        alone = verdict(*nodes, [])
        if alone.found != claimed:
            raise Disputed(f"{edit.name}: the edit says {set(claimed)}, the oracle {alone}\n{nodes[0]}\n{nodes[1]}")
    return verdict(*nodes, rules, added)


def framed(schema_id: int, body: bytes) -> bytes:
    """A value with its schema's id before it."""
    return b"\0" + schema_id.to_bytes(4, "big") + body


def pairs_of(made: Made, seed: int, number: int, label: str, of_numbers: bool = True) -> Scene:
    """Pairs of values as `made` writes them; without `of_numbers` under no tolerance of numbers."""
    rng = Random(f"{seed}/{number}")
    one, two, carry, _ = made.evolved
    rules = [rule for rule in ruled(rng, one) if of_numbers or not rule.keys() & {"atol", "rtol", "ulp"}]
    added = rng.choice(("mismatch", "mismatch", "ignore"))
    cases = []
    for place in range(PAIRS):
        own = Random(f"{seed}/{number}/{place}")
        value = one.draw(own)
        carried = carry(value)
        edit = Edit(carried, "written anew", ())
        for turn in range(own.choice((0, 1, 1, 1, 2, 3)) if place else 0):
            edited = two.edit_part(own, edit.value, place + turn)
            edit = edited._replace(places=None) if turn else edited
        nodes = one.node(value), two.node(edit.value)
        must = judged(edit, nodes, two.node(carried), rules, added)
        cases.append(Case(made.write(0, value, own), made.write(1, edit.value, own), edit.name, must))
    cases[1:4] = broken(Random(f"{seed}/{number}/broken"), cases[1:4])
    kinds = [f"rule: {name}" for one in rules for name in one if name not in ("at", "path")]
    kinds += [f"path: {kind}" for one in rules for kind in kinds_of_path(one["at"])]
    return Scene(number, label, made.schemas, rules, added, cases, (*sorted({*kinds}), *label.split(", ")))


def in_avro(evolved: Evolved, ids: tuple[int, int] = (1, 1)) -> Made:
    """Framed Avro under one writer schema or two."""
    types = evolved.one, evolved.two
    schemas = [of.schema(set()) for of in types[: len({*ids})]]
    return Made(evolved, schemas, lambda side, value, rng: framed(ids[side], types[side].raw(value, rng)))


def broken(rng: Random, cases: list[Case]) -> list[Case]:
    """Now and then a tombstone, a value that ends too early, or one with a byte too many."""
    found = []
    for case in cases:
        what = rng.randrange(14)
        if what == 0:
            case = case._replace(shadow=None, name="tombstone", must=_only("tombstone"))
        elif what == 1:
            case = case._replace(production=None, name="tombstone", must=_only("tombstone"))
        elif what == 2:
            case = case._replace(
                production=None, shadow=None, name="two tombstones", must=Verdict("match", frozenset())
            )
        elif (
            what == 3
            and case.shadow is not None
            and (case.shadow[-1:] in b"]}" or (len(case.shadow) > 5 and not case.shadow[0]))
        ):
            case = case._replace(shadow=case.shadow[:-1], name="cut", must=Verdict("undecodable_shadow", None))
        elif what == 4 and case.production is not None:
            case = case._replace(
                production=case.production + b"\x7f",
                name="a byte too many",
                must=Verdict("undecodable_production", None),
            )
        elif what == 5 and case.shadow is not None and (odd := json_types.spoilt(case.shadow, rng)) is not None:
            case = case._replace(shadow=odd[0], name=odd[1], must=Verdict("undecodable_shadow", None))
        found.append(case)
    return found


def _only(kind: str) -> Verdict:
    return Verdict("mismatch", frozenset([("", kind)]))


def one_schema(makes: tuple[avro_types.Make, ...]) -> Callable[[int, int, int], Scene]:
    """A scene of one record whose fields are the next of these types."""

    def make(seed: int, number: int, nth: int) -> Scene:
        rng, named = Random(f"{seed}/{number}/types"), avro_types.names()
        drawn = [one(rng, named) for one in dealt(makes, seed, nth * FIELDS, FIELDS)]
        record = Record("org.shop.Root", [Field(f"f{n}", of) for n, of in enumerate(drawn)])
        label = ", ".join(of.label for of in drawn)
        return pairs_of(in_avro(unchanged(record)), seed, number, f"avro: {label}")

    return make


def at_the_top(seed: int, number: int, nth: int) -> Scene:
    """A scene of values that are no records."""
    rng, named = Random(f"{seed}/{number}/types"), avro_types.names()
    (make,) = dealt((*ROW_TYPES, *COLUMN_TYPES), f"{seed}-top", nth, 1)
    of: Type = make(rng, named)
    return pairs_of(in_avro(unchanged(of)), seed, number, f"avro at the top: {of.label}")


def two_schemas(seed: int, number: int, nth: int) -> Scene:
    """A scene of two writer schemas."""
    rng = Random(f"{seed}/{number}/types")
    evolved = two_records(rng, avro_types.names(), 3)
    return pairs_of(in_avro(evolved, (1, 2)), seed, number, f"two schemas: {evolved.label}")


def in_json(seed: int, number: int, nth: int) -> Scene:
    """A scene of JSON texts: objects, or any value at the top."""
    rng = Random(f"{seed}/{number}/types")
    of = json_types.json_object(rng, 0, FIELDS) if nth % 3 else json_types.json_type(rng)
    made = Made(unchanged(of), [], lambda _, value, rng: of.raw(value, rng))
    return pairs_of(made, seed, number, f"json: {of.label}")


def beside_json(seed: int, number: int, nth: int) -> Scene:
    """A scene of Avro on production's side and JSON on the candidate's; no tolerance of numbers, as they are of two
    kinds there."""
    evolved = beside.two_formats(Random(f"{seed}/{number}/types"), avro_types.names(), FIELDS)

    def write(side: int, value: Any, rng: Random) -> bytes:
        return framed(1, evolved.one.raw(value, rng)) if side == 0 else evolved.two.raw(value, rng)

    made = Made(evolved, [evolved.one.schema(set())], write)
    return pairs_of(made, seed, number, f"avro beside json: {evolved.label}", of_numbers=False)


def in_protobuf(seed: int, number: int, nth: int) -> Scene:
    """A scene of Protobuf messages: two of one shape, told apart by the message index."""
    rng = Random(f"{seed}/{number}/types")
    shapes = proto_types.two_messages(rng)
    schema = proto_types.described([*shapes.messages, shapes.inner])
    one = Union([*shapes.messages], True, "message index")

    def write(_: int, value: Any, rng: Random) -> bytes:
        index = rng.choice((b"\0", b"\x02\0")) if value[0] == 0 else b"\x02\x02"
        return framed(rng.choice((1, 2)), index + shapes.messages[value[0]].raw(value[1], rng))

    return pairs_of(Made(unchanged(one), [schema, schema], write), seed, number, "protobuf")


def unchanged(of: Type) -> Evolved:
    """One type on both sides."""
    return Evolved(of, of, lambda value: value, of.label)


ROUND: tuple[Callable[[int, int, int], Scene], ...] = (
    one_schema(ROW_TYPES),
    two_schemas,
    one_schema(COLUMN_TYPES),
    in_json,
    one_schema(ROW_TYPES),
    two_schemas,
    in_protobuf,
    at_the_top,
    in_json,
    beside_json,
)
"""What scenes come in which order."""


def scene(seed: int, number: int) -> Scene:
    """The scene of that number; the same in every process."""
    turn, place = divmod(number, len(ROUND))
    make = ROUND[place]
    nth = turn * ROUND.count(make) + ROUND[:place].count(make)
    return make(seed, number, nth)
