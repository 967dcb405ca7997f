"""Generated pairs of Avro schemas, and values of both as `avro_bytes` writes them.

The second schema is the first after some changes, allowed by Avro's rules or not.
"""

import math
import random
from typing import Any

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "string", "bytes")
WIDER = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"],
         "string": ["bytes"], "bytes": ["string"]}  # fmt: skip
LOGICAL = {"int": "date", "long": "timestamp-micros", "string": "uuid"}
UUIDS = ["0000abcd-0000-0000-0000-00000000000" + digit for digit in "123"]


def definitions(schema: Any, named: dict[str, Any] | None = None) -> dict[str, Any]:
    """The named types of a schema by their full names."""
    named = {} if named is None else named
    for part in schema if isinstance(schema, list) else [schema]:
        if isinstance(part, dict):
            if "name" in part:
                named[part["name"]] = part
            for inner in (part.get("items"), part.get("values"), *(one["type"] for one in part.get("fields", ()))):
                if inner is not None:
                    definitions(inner, named)
    return named


def normal(schema: Any, named: dict[str, Any], known: set[str] | None = None) -> Any:
    """The schema such that each named type is defined where it comes first, and named where it comes again."""
    known = set() if known is None else known
    if isinstance(schema, list):
        return [normal(one, named, known) for one in schema]
    name = schema if isinstance(schema, str) else schema.get("name")
    if name in named:
        if name in known:
            return name
        known.add(name)
        schema = named[name]
    if isinstance(schema, str):
        return schema
    made = {key: normal(part, named, known) if key in ("items", "values") else part for key, part in schema.items()}
    if "fields" in schema:
        made["fields"] = [one | {"type": normal(one["type"], named, known)} for one in schema["fields"]]
    return made


# ---------------------------------------------------------------- schemas and values


def unique(branches: list[Any]) -> list[Any]:
    """A union of these, each type but once."""
    kept: dict[str, Any] = {}
    for one in branches:
        for part in one if isinstance(one, list) else [one]:
            kind = part if isinstance(part, str) else part["type"]
            kept.setdefault(part["name"] if isinstance(part, dict) and "name" in part else kind, part)
    return list(kept.values())


class Maker:
    """Schemas, their changes, and values, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._named: dict[str, Any] = {}
        self._count = 0
        self._emitted: dict[str, str] = {}
        self._made: dict[str, Any] = {}

    def pair(self) -> tuple[Any, Any]:
        """A schema, at times no record, and what became of it."""
        one = self.schema() if self.often(0.3) else self.record()
        one = normal(one, self._named)
        other = self._changed(one)
        return one, normal(other, self._made)

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def _name(self, word: str) -> str:
        self._count += 1
        return f"{self.random.choice(['a.', 'b.c.'])}{word}{self._count}"

    def schema(self, depth: int = 3, union: bool = True) -> Any:
        kind = self.random.choice(
            ["plain"] * 4 + ["logical", "enum", "fixed", "record", "record", "array", "map", "union", "again"]
        )
        if kind == "again" and self._named:
            return self.random.choice(list(self._named))
        if kind == "logical":
            plain = self.random.choice(list(LOGICAL))
            return {"type": plain, "logicalType": LOGICAL[plain]}
        if kind == "enum":
            size = self.random.randint(1, 4)
            made = {"type": "enum", "name": self._name("E"), "symbols": list("ABCD"[:size])}
            made |= {"default": "A"} if self.often(0.3) else {}
            return self._defined(made)
        if kind == "fixed":
            return self._defined({"type": "fixed", "name": self._name("F"), "size": self.random.randint(1, 3)})
        if depth == 0 or kind in ("plain", "again"):
            return self.random.choice(PRIMITIVES[1:])
        if kind == "record":
            return self.record(depth - 1)
        if kind == "array":
            return {"type": "array", "items": self.schema(depth - 1)}
        if kind == "map":
            return {"type": "map", "values": self.schema(depth - 1)}
        return (
            self.union([self.schema(depth - 1, False) for _ in range(self.random.randint(1, 4))]) if union else "null"
        )

    def _defined(self, made: dict[str, Any]) -> dict[str, Any]:
        self._named[made["name"]] = made
        return made

    def union(self, branches: list[Any]) -> Any:
        """A union of these, at times with null."""
        return unique([*branches[:1], "null", *branches[1:]] if self.often(0.4) else branches)

    def record(self, depth: int = 2) -> dict[str, Any]:
        name = self._name("R")
        fields = []
        made = {"type": "record", "name": name, "fields": fields}
        for letter in "abcd"[: self.random.randint(1, 4)]:
            kind = self.schema(depth)
            field = {"name": letter, "type": kind}
            if kind in ("int", "long") and self.often(0.3):
                field["default"] = 7
            fields.append(field)
        if self.often(0.3):  # inside itself
            around = self.random.choice([["null", name], {"type": "array", "items": name}, ["null", name, "string"]])
            fields.append({"name": "inner", "type": around})
        return self._defined(made)

    # ------------------------------------------------------------ changes

    def _changed(self, schema: Any, top: bool = True) -> Any:
        if isinstance(schema, list):
            branches = [self._changed(one, False) for one in schema if one == "null" or not self.often(0.06)]
            if self.often(0.2):
                branches.append(self.random.choice(PRIMITIVES[1:]))
            if self.often(0.2):
                self.random.shuffle(branches)
            if not branches or (len(branches) == 1 and self.often(0.5)):
                return branches[0] if branches else "null"
            return self.union(branches) if self.often(0.3) else unique(branches)
        if top and self.often(0.08):
            made = self._changed(schema, False)
            others = self.random.sample(PRIMITIVES, self.random.randint(1, 2))
            return unique([made, *others] if self.often(0.5) else [*others, made])
        if isinstance(schema, str) and schema not in self._named:
            return self._of_primitive(schema)
        if isinstance(schema, str):
            return self._emitted[schema] if schema in self._emitted else self._changed(self._named[schema], False)
        if "logicalType" in schema:
            return schema["type"] if self.often(0.3) else schema
        if schema["type"] == "array":
            return {"type": "array", "items": self._changed(schema["items"])}
        if schema["type"] == "map":
            return {"type": "map", "values": self._changed(schema["values"])}
        return self._of_named(schema)

    def _of_primitive(self, kind: str) -> Any:
        if self.often(0.15):
            return self.random.choice(WIDER.get(kind, [kind]))
        if self.often(0.05) and kind in LOGICAL:
            return {"type": kind, "logicalType": LOGICAL[kind]} if kind != "string" else kind
        return self.random.choice(PRIMITIVES[1:]) if self.often(0.03) else kind

    def _of_named(self, schema: dict[str, Any]) -> dict[str, Any]:
        made = {name: part for name, part in schema.items() if name != "fields"}
        if self.often(0.08):
            made["name"] = (
                schema["name"].rpartition(".")[0] + "." * ("." in schema["name"]) + self._name("X").rpartition(".")[2]
            )
            made["aliases"] = [schema["name"].rpartition(".")[2] if self.often(0.5) else schema["name"]]
            if self.often(0.2):
                del made["aliases"]
        self._emitted[schema["name"]] = made["name"]
        self._made[made["name"]] = made
        if schema["type"] == "fixed":
            made["size"] += self.often(0.04)
        elif schema["type"] == "enum":
            made["symbols"] = [one for one in schema["symbols"] if not self.often(0.1)] or ["A"]
            made["symbols"] += ["Z"] * self.often(0.2)
            if made.get("default") not in made["symbols"]:
                made.pop("default", None)
            if self.often(0.2):
                made["default"] = made["symbols"][0]
        else:
            made["fields"] = self._fields(schema["fields"])
        return made

    def _fields(self, fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = []
        for field in fields:
            if self.often(0.06):
                continue
            made = field | {"type": self._changed(field["type"])}
            if made["type"] != field["type"]:
                made.pop("default", None)
            if self.often(0.1):
                made |= {"name": field["name"] * 2} | ({"aliases": [field["name"]]} if self.often(0.95) else {})
            found.append(made)
        if self.often(0.15):
            kind, default = self.random.choice(
                [("int", 7), ("string", "d"), (["null", "int"], None), (["int", "string"], 7), ("bytes", "d"),
                 ({"type": "array", "items": "long"}, [1]), ({"type": "map", "values": "double"}, {"k": 1.5})]
            )  # fmt: skip
            found.insert(0, {"name": "more", "type": kind} | ({"default": default} if self.often(0.8) else {}))
        if self.often(0.2):
            self.random.shuffle(found)
        return found or fields

    # ------------------------------------------------------------ values

    def value(self, schema: Any, named: dict[str, Any], depth: int = 5) -> Any:
        if isinstance(schema, list):
            least = [at for at, one in enumerate(schema) if one == "null"] if depth <= 0 else []
            at = self.random.choice(least or range(len(schema)))
            return at, self.value(schema[at], named, depth - 1)
        if isinstance(schema, str) and schema in named:
            schema = named[schema]
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            return {one["name"]: self.value(one["type"], named, depth - 1) for one in schema["fields"]}
        if kind in ("array", "map"):
            inside = schema["items" if kind == "array" else "values"]
            names = "xyz"[: self.random.randint(0, 2) if depth > 0 else 0]
            made = {name: self.value(inside, named, depth - 1) for name in names}
            return list(made.values()) if kind == "array" else made
        if kind == "enum":
            return self.random.choice(schema["symbols"])
        if kind == "fixed":
            return bytes(self.random.choice(b"ab") for _ in range(schema["size"]))
        if isinstance(schema, dict) and schema.get("logicalType") == "uuid":
            return self.random.choice(UUIDS)
        whole = [0, 1, 7, -1, 2**24 + 1] + ([2**53, 2**53 + 1, 2**62] if kind == "long" else [])
        return self.random.choice(
            {
                "null": [None],
                "boolean": [False, True],
                "int": whole,
                "long": whole if isinstance(schema, str) else whole[:5],
                "float": [0.0, 1.0, 1.5, 7.0, math.nan, math.inf],
                "double": [0.0, 1.0, 1.5, 7.0, math.nan, math.inf, 2.0**53],
                "string": ["", "a", "d", "\xe9"],
                "bytes": [b"", b"a", b"d", "\xe9".encode()],
            }[kind]
        )

    def mutated(self, schema: Any, value: Any, named: dict[str, Any]) -> Any:
        """The value with one part of it drawn anew."""
        if isinstance(schema, str) and schema in named:
            schema = named[schema]
        if self.often(0.25):
            return self.value(schema, named, 2)
        if isinstance(schema, list):
            return value[0], self.mutated(schema[value[0]], value[1], named)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            field = self.random.choice(schema["fields"])
            return value | {field["name"]: self.mutated(field["type"], value[field["name"]], named)}
        if kind == "array" and value:
            at = self.random.randrange(len(value))
            return [*value[:at], self.mutated(schema["items"], value[at], named), *value[at + 1 :]]
        if kind == "map" and value:
            name = self.random.choice(list(value))
            return value | {name: self.mutated(schema["values"], value[name], named)}
        return self.value(schema, named, 2)
