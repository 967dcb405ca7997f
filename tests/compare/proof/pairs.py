"""Pairs of values under one set of schemas and rules, with what each of them must give."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from tests.compare.proof import json_types
from tests.compare.proof.model import Edit, Pen
from tests.compare.proof.oracle import STAR, Node, Rule, Verdict, verdict
from tests.compare.proof.rules import kinds_of_path, ruled
from tests.compare.proof.schema_changes import Evolved

PAIRS = 6


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
    is_free: bool = True
    kinds: tuple[str, ...] = ()
    """What the scene covers, whatever is edited."""


class Made(NamedTuple):
    """Types, schemas, and how a value of a side (0, 1) is written; `is_free`: in any form that the format allows."""

    evolved: Evolved
    schemas: list[Any]
    write: Callable[[int, Any, Random], bytes]
    is_free: bool = True
    rules: list[Rule] | None = None
    of_numbers: bool = True
    """Whether tolerances of numbers are known to mean something there."""


class Disputed(Exception):
    """Generator and oracle do not agree on what an edit does: one of them is wrong."""


def judged(edit: Edit, nodes: tuple[Node, Node], plain: Node | None, rules: list[Rule], added: str) -> Verdict:
    """What the oracle says, once it agrees with what the edit says of itself."""
    if plain is not None and edit.places is not None and verdict(nodes[0], plain, []).outcome == "match":
        claimed = frozenset(edit.places)
        without_rules = verdict(*nodes, [])
        if without_rules.found != claimed:
            says = f"the edit says {set(claimed)}, the oracle {without_rules}"
            raise Disputed(f"{edit.name}: {says}\n{nodes[0]}\n{nodes[1]}")
    return verdict(*nodes, rules, added)


def framed(schema_id: int, body: bytes) -> bytes:
    """A value with its schema's id before it."""
    return b"\0" + schema_id.to_bytes(4, "big") + body


def pairs_of(made: Made, seed: int, number: int, label: str) -> Scene:
    """Pairs of values as `made` writes them."""
    rng = Random(f"{seed}/{number}")
    one, two, carry, _ = made.evolved
    rules = made.rules
    if rules is None:
        rules = [rule for rule in ruled(rng, one) if made.of_numbers or not rule.keys() & {"atol", "rtol", "ulp"}]
        # In which unit a number stands for a time there, `epoch` says: a rule for one field is wrong for another.
        rules = [rule for rule in rules if "round_ms" not in rule or "logical type" not in label]
    under_rules = [
        n for n, (name, _) in enumerate(one.parts()) for rule in rules if rule["at"][:1] in ((name,), (STAR,))
    ]
    added = rng.choice(("mismatch", "mismatch", "ignore"))
    cases = []
    for place in range(PAIRS):
        own, pen = Random(f"{seed}/{number}/{place}"), Pen(f"{seed}/{number}/{place}/written")
        pen.is_free = made.is_free
        value = one.draw(own)
        carried = carry(value)
        edit = Edit(carried, "written anew", ())
        # Where a rule holds it is asked alone as well: a mismatch elsewhere would hide its answer.
        asks = bool(under_rules) and place > 1
        everywhere = 0 < place < (2 if under_rules else 4)
        turns = 1 if asks else max(two.count(), 2) if everywhere else own.choice((0, 1, 2)) if place else 0
        for turn in range(turns):
            edited = two.edit_part(own, edit.value, own.choice(under_rules) if asks else place + turn)
            edit = edited._replace(places=None) if turn else edited
        nodes = one.node(value), two.node(edit.value)
        must = judged(edit, nodes, two.node(carried), rules, added)
        cases.append(Case(made.write(0, value, pen), made.write(1, edit.value, pen), edit.name, must))
    cases[-1:] = broken(Random(f"{seed}/{number}/broken"), cases[-1:])
    kinds = [f"rule: {name}" for one in rules for name in one if name not in ("at", "path")]
    kinds += [f"path: {kind}" for one in rules for kind in kinds_of_path(one["at"])]
    kinds += [label.partition(":")[0], *label.partition(": ")[2].split(", ")]
    return Scene(number, label, made.schemas, rules, added, cases, made.is_free, tuple(sorted({*kinds})))


def in_avro(evolved: Evolved, ids: tuple[int, int] = (1, 1), is_free: bool = True) -> Made:
    """Framed Avro under one writer schema or two."""
    types = evolved.one, evolved.two
    schemas = [of.schema(set()) for of in types[: len({*ids})]]
    return Made(evolved, schemas, lambda side, value, rng: framed(ids[side], types[side].raw(value, rng)), is_free)


def broken(rng: Random, cases: list[Case]) -> list[Case]:
    """Now and then a tombstone, a value that ends too early, or one with a byte too many."""
    found = []
    for case in cases:
        one, other = case.production, case.shadow
        is_json = one is not None and one[:1] == b"{"
        what = rng.choice((3, 6, 6, 7, 8)) if is_json else rng.randrange(7)
        if what == 0:
            case = Case(one, None, "tombstone", _only("tombstone"))
        elif what == 1:
            case = Case(None, other, "tombstone", _only("tombstone"))
        elif what == 2:
            case = Case(None, None, "two tombstones", Verdict("match", frozenset()))
        elif what == 3 and other is not None and (other[-1:] in b"]}" or (len(other) > 5 and not other[0])):
            case = Case(one, other[:-1], "cut", Verdict("undecodable_shadow", frozenset()))
        elif what == 4 and one is not None:
            case = Case(one + b"\x7f", other, "a byte too many", Verdict("undecodable_production", frozenset()))
        elif what > 5 and other is not None and (odd := json_types.spoilt(other, rng)) is not None:
            case = Case(one, *odd, Verdict("undecodable_shadow", frozenset()))
        found.append(case)
    return found


def _only(kind: str) -> Verdict:
    return Verdict("mismatch", frozenset([((), kind)]))
