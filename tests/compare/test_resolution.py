"""Avro's schema resolution: the specification's list point by point, and Apache Avro's own Java reader beside ours.

Where the comparison differs from a reader on purpose, `DECISIONS` says how (docs/decisions/0020).
"""

import json
import struct
from collections import Counter
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.compare.result import Difference
from tests.compare.avro_bytes import Body, NoJava, encode, java_reads, same
from tests.compare.proof.pairs import framed
from tests.compare.schema_pairs import PRIMITIVES, Maker, definitions
from tests.compare.written_pairs import Registry

DECISIONS = {
    "a field of one schema": "a reader drops it, and the comparison says missing or extra",
    "records of two names": "Java's reader reads a record of any name; here names are compared, but for aliases",
    "an enum's default": "a reader takes the default for a symbol it does not have; here symbols are compared",
    "a logical type": "a reader takes a date for a double; here a logical type makes a number or text no other kind",
    "an alias of one schema": "the other schema's reader takes a default for the field; here an alias of either holds",
    "digits": "a reader rounds an int to the float it is promoted to; here both are compared exactly",
}


# ---------------------------------------------------------------- Java


def decision(found: Difference, schemas: tuple[Any, Any]) -> str | None:
    """Which decision a difference between values that Java's reader finds equal comes from."""
    texts = found.production or "", found.shadow or ""
    if found.kind in ("missing", "extra"):
        return "a field of one schema" if found.path.rpartition(".")[2] not in {*"xyzk"} else None
    if found.kind == "type" and all(text.startswith('{"') for text in texts):
        names = [text.split('"')[1] for text in texts]
        if names[0] != names[1] and {*names} <= {*PRIMITIVES}:
            return "a logical type" if any("logicalType" in str(schema) for schema in schemas) else None
        named = [definitions(schema).get(name, {}) for name, schema in zip(names, schemas, strict=True)]
        return "records of two names" if all(one.get("type") == "record" for one in named) else None
    if any(found.path.rpartition(".")[2] in one.get("aliases", ()) for schema in schemas for one in fields_of(schema)):
        return "an alias of one schema"
    if all(text.strip('"') in {*"ABCDZ"} for text in texts):
        return "an enum's default"
    try:
        one, other = (json.loads(text) for text in texts)
        narrow = [struct.pack("<f", number) for number in (one, other)]
    except (ValueError, struct.error, OverflowError):
        return None
    return "digits" if one != other and (float(one) == float(other) or narrow[0] == narrow[1]) else None


def fields_of(schema: Any) -> list[dict[str, Any]]:
    return [field for one in definitions(schema).values() for field in one.get("fields", ())]


def beside_java(seeds: range) -> tuple[Counter[str], list[str]]:
    """How often which decision was needed, and what no decision explains."""
    cases = []
    for seed in seeds:
        made = Maker(seed)
        one, other = made.pair()
        named = definitions(one), definitions(other)
        value = made.value(one, named[0])
        cases.append((seed, one, other, named, value, made.mutated(one, value, named[0]), made.value(other, named[1])))
    asked = []
    for _, one, other, named, value, mutated, drawn in cases:
        asked += [(one, other, encode(one, value, named[0])), (one, other, encode(one, mutated, named[0]))]
        asked += [(other, one, encode(other, drawn, named[1]))]
    read = java_reads(asked)
    needed: Counter[str] = Counter()
    wrong = []
    for index, (seed, one, other, named, value, mutated, drawn) in enumerate(cases):
        (body, back), (also, _), (drawn_back, _) = read[3 * index : 3 * index + 3]

        def is_read(raw: bytes | str, schema: Any, names: dict[str, Any], as_: Any) -> bool:
            return isinstance(raw, bytes) and same(Body(raw, names).value(schema), as_)

        pairs = [(value, drawn, is_read(body, other, named[1], drawn) or is_read(drawn_back, one, named[0], value))]
        if isinstance(body, bytes):
            there = Body(body, named[1]).value(other)
            returned = is_read(back, one, named[0], mutated)
            pairs += [(value, there, True), (mutated, there, is_read(also, other, named[1], there) or returned)]
        for production, shadow, equal in pairs:
            verdict = compared(one, other, encode(one, production, named[0]), encode(other, shadow, named[1]), equal)
            needed.update(verdict or {"undecided": 1})
            wrong += [] if verdict else [f"{seed}: equal {equal}: {one} {production} {other} {shadow}"]
    return needed, wrong


def compared(one: Any, other: Any, production: bytes, shadow: bytes, equal: bool) -> Counter[str]:
    """The decisions that the comparison needs to differ from Java's reader; none at all where nothing explains it."""
    source = Registry(one, other)
    decoders = Decoder(source), Decoder(source)
    (result,) = compare_pairs([framed(1, production)], [framed(2, shadow)], *decoders, RuleSet())
    if (result.outcome == "match") == equal:
        return Counter({f"agreed: {'equal' if equal else 'different'}": 1})
    found = {decision(difference, (one, other)) for difference in result.differences} if equal else {None}
    return Counter() if None in found else Counter(str(name) for name in found)


def checked(seeds: range) -> Counter[str]:
    try:
        needed, wrong = beside_java(seeds)
    except NoJava as error:
        pytest.skip(str(error))
    assert not wrong, "\n".join(wrong[:5])
    assert needed.keys() <= {*DECISIONS, "agreed: equal", "agreed: different"}
    return needed


def test_two_hundred_pairs_of_schemas_resolve_as_in_avros_reader() -> None:
    needed = checked(range(200))
    assert min(needed["agreed: equal"], needed["agreed: different"]) > 100


@pytest.mark.long
def test_five_thousand_pairs_of_schemas_resolve_as_in_avros_reader() -> None:
    needed = checked(range(1_000, 6_000))
    print(dict(sorted(needed.items(), key=lambda entry: -entry[1])))
    assert min(needed["agreed: equal"], needed["agreed: different"]) > 3_000
