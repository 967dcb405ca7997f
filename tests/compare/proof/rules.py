"""Rules for generated values, each written as a user may write it and as the oracle reads it."""

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.compare.proof.model import Again, Array, Record, Type, Union, scalar_of
from tests.compare.proof.oracle import STAR, Rule
from tests.compare.proof.scalars import DELTAS, LONG_TEXT

Names = tuple[str | None, ...]
DEPTH = 3


def places(of: Type, at: Names = ()) -> Iterator[tuple[Names, Type]]:
    """Paths of a type, as rules may name them, with what is there."""
    if at:
        yield at, of
    if len(at) < DEPTH and not isinstance(of, Again):
        for name, inner in of.parts():
            yield from places(inner, (*at, name))


def written(rng: Random, at: Names) -> str:
    """A path as text: stars in brackets or behind a dot, with or without `$`."""
    text = ""
    for n, name in enumerate(at):
        if name is STAR:
            text += "[*]" if n and text[-1:] not in (".", "") and rng.random() < 0.5 else f"{'.' if n else ''}*"
        else:
            escaped = re.sub(r"([.\\\[*])", r"\\\1", name)
            if n == 0 and name.startswith("$"):
                escaped = "\\" + escaped
            text += ("." if n else "") + escaped
    return "$." + text if at and rng.random() < 0.2 else text or "$"


def text_of(names: tuple[str, ...]) -> str:
    """Names by dots, as the product shows a path; a backslash before what would be read as another path."""
    if names == ("",):
        return "$."
    text = ".".join(re.sub(r"[.\\]|^\*$|\[(?=(?:\d+|\*)\])", r"\\\g<0>", name) for name in names)
    return "\\" + text if re.match(r"\$(\.|\[|$)", text) else text


def ruled(rng: Random, of: Type, maximum: int = 2) -> list[Rule]:
    """Rules for some places of a type; often none."""
    found: dict[Names, dict[str, Any]] = {}
    known = [((), of), *places(of)] if not isinstance(of, Record | Union) else list(places(of))
    for _ in range(rng.choice((0, 1, 1, maximum)) if known else 0):
        at, kind = rng.choice(known)
        if any(name is not STAR for name in at) and rng.random() < 0.1:
            at = tuple(STAR if rng.random() < 0.5 else name for name in at)
        if not at and scalar_of(kind) is not None and rng.random() < 0.5:
            at = (STAR,)
        at = tuple(str(rng.randrange(2)) if name is STAR and rng.random() < 0.2 else name for name in at)
        found.setdefault(at, rule_settings(rng, kind))
        if found[at].get("lists") or found[at].get("key"):
            inner = kind.parts()[0][1] if kind.parts() else None
            if inner is not None and scalar_of(inner) is not None and rng.random() < 0.7:
                found.setdefault((*at, STAR), rule_settings(rng, inner, may_ignore=False))
    ordered = [at for at, says in found.items() if "lists" in says]
    # Which elements of an unordered list meet is left open, and so is whether what is ignored differs.
    kept = {at: s for at, s in found.items() if not (s.get("ignore") and any(len(at) > len(one) for one in ordered))}
    return [Rule({"at": at, "path": written(rng, at), **says}) for at, says in kept.items()]


def kinds_of_path(at: Names) -> Iterator[str]:
    """What a path of a rule has."""
    if not at:
        yield "root"
    for name in at:
        if name is STAR:
            yield "star"
        elif name.isdecimal():
            yield "index"
        elif re.search(r"[.\\\[*$]", name):
            yield "escaped name"


def rule_settings(rng: Random, of: Type, may_ignore: bool = True) -> dict[str, Any]:
    """What a rule says of a value of that type."""
    scalar = scalar_of(of)
    kind = scalar.kind if scalar is not None else "list" if isinstance(of, Array) else "object"
    if may_ignore and rng.random() < 0.15:
        return {"ignore": True}
    if kind in ("int", "double", "decimal"):
        choices: list[dict[str, Any]] = [
            {"atol": rng.choice(DELTAS)},
            {"rtol": rng.choice(("0.01", "0.001", "0.5"))},
            {"atol": rng.choice(DELTAS), "rtol": "0.01"},
        ]
        choices += [{"normalise": ["number"]}] if kind == "int" else []
        return rng.choice([*choices, *([{"ulp": rng.choice((1, 3))}] if kind == "double" else [])])
    if kind == "text":
        values = {LONG_TEXT: "x", "a": "A", "A": "B", "UA": "a", "": "null"}
        more: list[dict[str, Any]] = [{"values": values}, {"normalise": ["trim"]}, {"normalise": ["nfc", "lower"]}]
        more += [{"normalise": ["number"]}, {"normalise": ["number"], "atol": "1"}, {"normalise": ["utc"]}]
        return rng.choice([{"ignore_case": True}, {"ignore_space": True}, {"round_ms": 1000}, *more])
    if kind == "time":
        return {"round_ms": rng.choice((1, 1000, 60_000))}
    if kind == "list":
        if isinstance(of, Array) and isinstance(of.items, Record) and any(f.name == "id" for f in of.items.fields):
            return rng.choice([{"key": "id"}, {"lists": "unordered"}])
        return {"lists": rng.choice(("unordered", "unordered", "set"))}
    return rng.choice(
        [{"absent_is_null": True}, {"atol": "0.03"}, {"atol": "1"}, *([{"ignore": True}] if may_ignore else [])]
    )
