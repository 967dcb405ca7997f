"""Acts on a few bytes that are no values of production: own topics, commit metadata, configs, headers, answers."""

import base64
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from shadowstream import yamlfile
from shadowstream.codecs import own
from shadowstream.codecs.schemas import fingerprint_of, parse
from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.joiner.intake.equivalent_ids import equal_form
from shadowstream.joiner.recovery import checkpoint
from shadowstream.paths import parse_one
from shadowstream.protocol import headers
from shadowstream.protocol.varints import varints_of
from shadowstream.runner import commit_metadata
from shadowstream.worker.values import unpacked
from tests.bombs.values import MEGABYTE


class Act(NamedTuple):
    """Something that is done with a few bytes; `made` makes them, `done` is measured."""

    name: str
    made: Callable[[], Any]
    done: Callable[[Any], Any]


OWN_BYTES = 100_000  # a mark of a megabyte may be a role's own, and costs ten times as much
NAMED: dict[str, Any] = {}


def least(schema: Any, named: dict[str, Any]) -> Any:
    """The shortest value of a schema."""
    if isinstance(schema, list):
        return [least(branch, named) for branch in schema][schema.index("null") if "null" in schema else 0]
    if isinstance(schema, str):
        plain = {
            "null": None,
            "boolean": False,
            "int": 0,
            "long": 0,
            "float": 0.0,
            "double": 0.0,
            "bytes": b"",
            "string": "",
        }
        return plain[schema] if schema in plain else least(named[schema], named)
    kind = schema["type"]
    if kind == "record":
        named[schema["name"]] = NAMED[schema["name"]] = schema
        return {field["name"]: least(field["type"], named) for field in schema["fields"]}
    if kind == "enum":
        return schema["symbols"][0]
    if kind in ("array", "map"):
        least(schema["items" if kind == "array" else "values"], named)
        return [] if kind == "array" else {}
    return b"\0" * schema["size"] if kind == "fixed" else least(kind, named)


def _filled(name: str, field: str) -> bytes:
    """A record of the trial's own with many of the shortest items in one field."""
    value = least(own.schema(name), {})
    kind = next(one["type"] for one in own.schema(name)["fields"] if one["name"] == field)
    item = least(kind["items" if kind["type"] == "array" else "values"], dict(NAMED))
    one, two = (len(own.encode(name, value | {field: _many(kind, item, count)})) for count in (1, 2))
    return own.encode(name, value | {field: _many(kind, item, OWN_BYTES // (two - one))})


def _many(kind: Any, item: Any, count: int) -> Any:
    return [item] * count if kind["type"] == "array" else {f"{n:06}": item for n in range(count)}


def _headed(name: str, body: bytes) -> bytes:
    return own.SINGLE_OBJECT + fingerprint_of(own.schema(name)) + body


def _own() -> Iterator[Act]:
    for name in own.NAMES:
        yield Act(f"{name}: garbage", partial(_headed, name, b"\xff" * OWN_BYTES), own.decode)
        yield Act(f"{name}: zeros", partial(_headed, name, bytes(OWN_BYTES)), own.decode)
        for field in own.schema(name)["fields"]:
            kind = field["type"]
            if isinstance(kind, dict) and kind["type"] in ("array", "map"):
                at = partial(_filled, name, field["name"])
                yield Act(f"{name}.{field['name']}", at, partial(own.read, name))


def _metadata(data: bytes, form: str = "1") -> Callable[[], str]:
    return lambda: form + base64.b85encode(zlib.compress(data, 9)).decode()


def _yaml(text: str) -> Act:
    def done(given: str) -> int:
        return len(yamlfile.parse(given, {}).problems)

    return Act(f"yaml {text[:12]!r}", lambda: text, done)


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
)
OTHER_SCHEMA = parse('{"type": "record", "name": "Other", "fields": []}')
TEXTS = (
    *_own(),
    Act(
        "a record of another program",
        lambda: own.SINGLE_OBJECT + fingerprint_of(OTHER_SCHEMA) + bytes(MEGABYTE),
        own.decode,
    ),
    Act("compressed gigabyte as counters", _metadata(bytes(4_000_000)), commit_metadata.of_metadata),
    Act("lists as counters", _metadata(b'{"a":' + b"[" * 500_000), commit_metadata.of_metadata),
    Act("a number of 4 MB as a checkpoint", _metadata(b"\xff" * 4_000_000), checkpoint.decode),
    Act("2^62 pending records", _metadata(varints_of([1, 9, 0, 0, 1, 0, 2**62])), checkpoint.decode),
    Act(
        "a compressed gigabyte as pending records",
        lambda: base64.b85encode(zlib.compress(bytes(2 * 10**7), 9)).decode(),
        checkpoint.pending_of,
    ),
    Act(
        "a compressed gigabyte as marks",
        lambda: zlib.compress(bytes(2 * 10**7), 9),
        lambda raw: MarksLog("").restore(raw),
    ),
    Act(
        "compressed lists as marks",
        lambda: zlib.compress(b"[" + b"[]," * 3_000_000 + b"1]"),
        lambda raw: MarksLog("").restore(raw),
    ),
    _yaml(LAUGHS),
    _yaml("[" * 100_000),
    _yaml("{" * 100_000),
    _yaml("- " * 50_000),
    _yaml("a:\n" + "".join(" " * n + "b:\n" for n in range(1, 500))),
    _yaml("[" + "," * 199_000 + "]"),
    _yaml("[" + "a," * 99_000 + "]"),
    _yaml("".join(f"a: {n}\n" for n in range(20_000))),
    _yaml("a: !x b\n" * 20_000),
    _yaml("a: " + "9" * 190_000),
    _yaml("a: ${" + "A" * 190_000),
    _yaml("a: ${A" + ":-${A" * 40_000),
    Act("a header of a megabyte", lambda: b"t/" * 500_000, lambda raw: headers.text_coordinate(raw, ["t"])),
    Act(
        "a header of a number of a megabyte",
        lambda: b"t/1/" + b"9" * MEGABYTE,
        lambda raw: headers.text_coordinate(raw, ["t"]),
    ),
    Act("100,000 headers", lambda: [("h", b"")] * 100_000, headers.packed_of),
    Act("a key of many lists", lambda: b"[" * 9_999, equal_form),
    Act("a key of many names", lambda: b"{" + b'"a":1,' * 1_600 + b'"b":1}', equal_form),
    Act("a path of 100,000 parts", lambda: "a." * 100_000, parse_one),
    Act("a path of backslashes", lambda: "\\" * 100_001, parse_one),
    Act("a path of brackets", lambda: "a" + "[0]" * 50_000 + "[", parse_one),
    Act("an answer that claims 2^32 values", lambda: b"\xdd\xff\xff\xff\xff", unpacked),
    Act(
        "an answer that claims lists in lists",
        lambda: (b"\xdd" + (380_000).to_bytes(4)) * 1_000 + bytes(MEGABYTE),
        unpacked,
    ),
    Act("an answer of 5,000 levels", lambda: b"\x91" * 5_000 + b"\x90", unpacked),
)
