"""The table "What equals what" of docs/comparison.md; every row is run through the comparison.

`make docs` writes it anew (`python -m tests.compare.proof.table`), `tests/compare/test_equality_table.py` holds it.
"""

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from shadowstream.config import Rule
from tests.compare.proof import scalars
from tests.compare.proof.model import Array, Field, Record, Type, Union
from tests.compare.proof.pairs import framed
from tests.compare.written_pairs import Registry, found

PAGE = Path(__file__).parents[3] / "docs" / "comparison.md"
BEGIN = "<!-- what equals what: begin (make docs) -->"
END = "<!-- what equals what: end -->"


class Avro(NamedTuple):
    """A value of a field of Avro; `text`: how the table shows it."""

    of: Type
    value: Any
    text: str


class Row(NamedTuple):
    """`is_`: outcome, or outcome and kind of difference. Values are JSON texts, or of Avro."""

    production: str | Avro | None
    candidate: str | Avro | None
    is_: str
    rule: dict[str, Any] = {}  # noqa: RUF012  a default that nobody changes
    added: str = "mismatch"


def money(digits: str, precision: int = 4) -> Avro:
    """A decimal of scale 2."""
    of = scalars.decimal_of(precision, 2)
    return Avro(of, Decimal(digits), f"decimal({precision}, 2) {digits}")


def number(of: str, value: Any) -> Avro:
    """A number of that type."""
    types = {one.label: one for one in scalars.PLAIN}
    return Avro(types[of], value, f"{of} {value!r}")


def event(name: str, **more: Any) -> Avro:
    """A record of that name with one field."""
    return Avro(Record(name, [Field("id", scalars.LONG)], more=more), {"id": 1}, f"record {name} {{id: 1}}")


def listed(place: int) -> Avro:
    """A list with a record of one of two names."""
    records: list[Type | None] = [Record(name, [Field("id", scalars.LONG)]) for name in ("Placed", "Cancelled")]
    text = f"[{'Placed' if place == 0 else 'Cancelled'} {{id: 1}}]"
    return Avro(Array(Union(records)), [(place, {"id": 1})], f"{text} in a list of two records")


def instant(unit: str, ns: int, text: str) -> Avro:
    return Avro(scalars.timestamp(unit), ns, f"timestamp-{unit} {text}")


def raw(label: str, **more: Any) -> Avro:
    """Bytes under an annotation that the specification ignores."""
    of = scalars.annotated({"type": "bytes", "logicalType": "decimal", **more})
    return Avro(of, b"\x01\x24" if label == "0124" else b"\x01\x25", f"decimal without precision, bytes {label}")


STAMP = 1_772_955_000_123_456_789
HALF_PAST = "2026-03-08T07:30:00"
STAMP_MS = STAMP // 10**6 * 10**6
ROWS: dict[str, list[Row]] = {
    "Numbers": [
        Row("1", "1.0", "mismatch type"),
        Row("1", "1.0", "tolerated type", {"atol": "0.1"}),
        Row("1.0", "1e0", "match"),
        Row("0.10", "0.1", "match"),
        Row("-0.0", "0.0", "match"),
        Row("1", "true", "mismatch type"),
        Row("1", '"1"', "mismatch type"),
        Row("12345678901234567.89", "12345678901234567.90", "mismatch value"),
        Row("9007199254740993", "9007199254740992", "mismatch value"),
        Row("1e400", "1e401", "mismatch value"),
        Row("10.00", "10.03", "tolerated value", {"atol": "0.03"}),
        Row("100.0", "90.0", "tolerated value", {"rtol": "0.1"}),
        Row("90.0", "100.0", "mismatch value", {"rtol": "0.1"}),
        Row(number("double", float("nan")), number("double", float("nan")), "match"),
        Row(number("double", float("inf")), number("double", 1e308), "mismatch value", {"atol": "1e308"}),
        Row(number("double", 5.0), number("double", 5.3), "tolerated value", {"atol": "0.3"}),
        Row(number("long", 5), number("double", 5.0), "match"),
        Row(number("long", 2**53 + 1), number("double", 2.0**53), "mismatch value"),
        Row(money("5.00"), money("5.03"), "tolerated value", {"atol": "0.03"}),
        Row(money("1234.56"), money("1234.57"), "mismatch value"),
        Row(money("5.00"), money("5.00", 10), "match"),
        Row(raw("0124"), raw("0125"), "mismatch value"),
    ],
    "Types": [
        Row(event("Placed"), event("Cancelled"), "mismatch type"),
        Row(event("a.Placed"), event("b.Placed"), "mismatch type"),
        Row(event("Placed"), event("Ordered", aliases=["Placed"]), "match"),
        Row(listed(0), listed(1), "mismatch type"),
        Row(Avro(scalars.enum("E"), "A", "enum E A"), Avro(scalars.enum("F"), "A", "enum F A"), "mismatch type"),
        Row(Avro(scalars.STRING, "é", 'string "é"'), Avro(scalars.BYTES, "é".encode(), "bytes C3 A9"), "match"),
        Row(Avro(scalars.LONG, 7, "long 7"), instant("millis", 7_000_000, "7 ms"), "match"),
    ],
    "Times": [
        Row(instant("millis", STAMP_MS, ".123"), instant("micros", STAMP_MS, ".123000"), "match"),
        Row(instant("nanos", STAMP, ".123456789"), instant("nanos", STAMP + 1, ".123456790"), "mismatch value"),
        Row('"2026-03-08T07:30:00Z"', '"2026-03-08T08:30:00+01:00"', "mismatch value"),
        Row('"2026-03-08T07:30:00Z"', '"2026-03-08T08:30:00+01:00"', "tolerated value", {"round_ms": 1}),
        Row("1772955000123", '"2026-03-08T07:30:00.123Z"', "tolerated type", {"round_ms": 1}),
        Row(f'"{HALF_PAST}.123456789Z"', f'"{HALF_PAST}.123456123Z"', "mismatch value", {"normalise": ["utc"]}),
    ],
    "Texts": [
        Row('"UA "', '"ua"', "tolerated value", {"ignore_case": True, "ignore_space": True}),
        Row('"e\\u0301"', '"\\u00e9"', "mismatch value"),
        Row('"e\\u0301"', '"\\u00e9"', "match", {"normalise": ["nfc"]}),
        Row('"' + "a" * 80 + '"', '"x"', "tolerated value", {"values": {"a" * 80: "x"}}),
        Row('"9007199254740993"', '"9007199254740992"', "mismatch value", {"normalise": ["number"]}),
    ],
    "Fields and lists": [
        Row('{"a": null}', "{}", "mismatch missing"),
        Row('{"a": null}', "{}", "tolerated missing", {"path": "v.a", "absent_is_null": True}),
        Row("{}", '{"a": 1}', "mismatch extra"),
        Row("{}", '{"a": 1}', "ignored extra", {}, "ignore"),
        Row("null", "1", "mismatch null"),
        Row('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', "match"),
        Row('{"a": 1, "a": 2}', '{"a": 2}', "undecodable_production"),
        Row("NaN", "NaN", "match"),
        Row("NaN", "1.0", "undecodable_production"),
        Row("[1, 2]", "[2, 1]", "mismatch value"),
        Row("[1, 2]", "[2, 1]", "tolerated order", {"lists": "unordered"}),
        Row("[1, 1, 2]", "[2, 1]", "mismatch missing", {"lists": "unordered"}),
        Row("[1, 1, 2]", "[2, 1]", "tolerated order", {"lists": "set"}),
        Row("[1]", "[1, 2]", "mismatch length"),
        Row(None, "1", "mismatch tombstone"),
        Row(None, None, "match"),
    ],
}


def written(value: str | Avro | None, schema_id: int) -> tuple[bytes | None, Any]:
    """The bytes of a value in the field `v`, and its schema."""
    if value is None:
        return None, "null"
    if isinstance(value, str):
        return b'{"v": ' + value.encode() + b"}", "null"
    record = Record("Row", [Field("v", value.of)])
    return framed(schema_id, record.raw({"v": value.value}, Random(0))), record.schema(set())


def answer(row: Row) -> str:
    """What the comparison says of a row, alone and among many: outcome and kind."""
    (one, its), (other, also) = (written(value, n) for n, value in enumerate((row.production, row.candidate), 1))
    rules = [Rule(**{"path": "v", **row.rule})] if row.rule else []
    outcome, differences = found(Registry(its, also), one, other, *rules, added=row.added)
    return " ".join([outcome, *sorted({kind for _, kind in differences})])


WORDS = {
    "match": "equal",
    "tolerated": "tolerated",
    "ignored": "ignored",
    "mismatch": "different",
    "undecodable_production": "undecodable",
}


def shown(value: str | Avro | None) -> str:
    if value is None:
        return "a tombstone"
    text = value if isinstance(value, str) else value.text
    text = text if len(text) <= 40 else f"{text[:20]}…{text[-8:]}"
    return f"`{text}`"


def table() -> str:
    """The table as Markdown."""
    lines = ["| production | candidate | rule | are |", "|---|---|---|---|"]
    for head, rows in ROWS.items():
        lines.append(f"| **{head}** | | | |")
        for row in rows:
            outcome, _, kind = row.is_.partition(" ")
            rule = ", ".join(f"{name}: {_answer(what)}" for name, what in row.rule.items() if name != "path")
            rule = rule or ("added_fields: ignore" if row.added == "ignore" else "")
            words = WORDS[outcome] + (f" (`{kind}`)" if kind else "")
            cells = shown(row.production), shown(row.candidate), f"`{rule}`" if rule else "", words
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _answer(what: Any) -> str:
    if isinstance(what, dict):
        return "{" + ", ".join(f"{n[:8]}…: {one}" if len(n) > 8 else f"{n}: {one}" for n, one in what.items()) + "}"
    return str(what).lower() if isinstance(what, bool) else str(what).replace("'", "")


def page_with(text: str) -> str:
    """The page with the table in its place."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text("utf-8")), "utf-8")
