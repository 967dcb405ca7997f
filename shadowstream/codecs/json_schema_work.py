"""Bound on the work of a JSON Schema: how often it asks the same question of one part of a value.

A schema of a few hundred bytes can ask 2⁶⁰ times: ``anyOf`` twice the schema before, which does the same. Only schemas
that apply to the same part multiply: ``properties`` of other names do not. So the search goes through the parts that a
value may have, with the number of times that each schema applies to them, until that grows beyond `WORK_MAX`. It does
not follow a schema into itself: alternatives of a recursive schema mostly exclude each other.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any

from shadowstream.errors import RecordError

WORK_MAX = 1_000
"""Maximum schemas that apply to one part of a value."""
_STATES_MAX = 2_000
_HERE = ("not", "if", "then", "else")
_HERE_LISTS = ("allOf", "anyOf", "oneOf")
_HERE_MAPS = ("dependentSchemas",)
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_OF_ANY_PART = (
    "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties", "unevaluatedProperties",
    "propertyNames",
)  # fmt: skip
_OF_ANY_PART_MAPS = ("patternProperties",)
_ANY = "*"


def check_work(schema: Any, references: Mapping[str, Any]) -> None:
    """Raise `RecordError` (``bounds``) for a schema that asks too often.

    >>> levels = {f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n - 1}"}] * 2} for n in range(1, 20)}
    >>> check_work({"$defs": {"l0": {}, **levels}, "$ref": "#/$defs/l19"}, {})
    Traceback (most recent call last):
    ...
    shadowstream.errors.RecordError: the schema asks more than 1000 times of one part of a value; ...
    """
    _Search(schema, references).run()


class _Search:
    def __init__(self, schema: Any, references: Mapping[str, Any]) -> None:
        self._documents = {"": schema, **references}
        self._anchors = {
            anchor: part
            for document in self._documents.values()
            for part in _parts(document)
            for anchor in (part.get("$anchor"), part.get("$dynamicAnchor"))
            if isinstance(anchor, str)
        }
        self._nodes: dict[int, dict[str, Any]] = {}
        self._root: dict[int, Any] = {}
        for document in self._documents.values():
            for part in _parts(document):
                self._root[id(part)] = document

    def run(self) -> None:
        first = self._applied(Counter(self._known([self._documents[""]])))
        seen: set[frozenset[tuple[int, int]]] = set()
        above: frozenset[int] = frozenset()
        left = deque([(first, above)])
        while left and len(seen) < _STATES_MAX:
            state, above = left.popleft()
            key = frozenset(state.items())
            if key in seen:
                continue
            seen.add(key)
            above |= state.keys()
            for below in self._below(state):
                if fresh := Counter({node: times for node, times in below.items() if node not in above}):
                    left.append((self._applied(fresh), above))

    def _applied(self, wanted: Counter[int]) -> Counter[int]:
        """All schemas that apply to the same part as the wanted ones, with how often."""
        applied: Counter[int] = Counter()
        left = Counter(wanted)
        total = 0
        while left:
            node, times = next(iter(left.items()))
            del left[node]
            applied[node] += times
            total += times
            if total > WORK_MAX:
                raise RecordError(
                    f"the schema asks more than {WORK_MAX} times of one part of a value; make its alternatives "
                    "exclude each other, or use references to fewer of them",
                    reason="bounds",
                )
            for inner in self._known(self._here(self._nodes[node])):
                left[inner] += times
        return applied

    def _known(self, schemas: Any) -> list[int]:
        found = [one for one in schemas if isinstance(one, dict)]
        self._nodes.update((id(one), one) for one in found)
        return [id(one) for one in found]

    def _here(self, node: dict[str, Any]) -> Iterator[Any]:
        for name in _HERE:
            yield node.get(name)
        for name in _HERE_LISTS:
            yield from _list(node.get(name))
        for name in _HERE_MAPS:
            yield from _map(node.get(name)).values()
        for name in _REFERENCES:
            if isinstance(reference := node.get(name), str):
                yield self._target(reference, node)

    def _below(self, state: Counter[int]) -> Iterator[Counter[int]]:
        """The schemas that apply to each part below, by the part's name; those of any part apply to each."""
        by_name: dict[str, Counter[int]] = {_ANY: Counter()}
        for node_id, times in state.items():
            for name, schema in _below(self._nodes[node_id]):
                for inner in self._known([schema]):
                    by_name.setdefault(name, Counter())[inner] += times
        of_any = by_name.pop(_ANY)
        yield from (named + of_any for named in by_name.values())
        if of_any:
            yield of_any

    def _target(self, reference: str, node: dict[str, Any]) -> Any:
        """What a reference names; None where only the validator can tell."""
        file, _, pointer = reference.partition("#")
        document = self._documents.get(file) if file else self._root.get(id(node))
        if not pointer.startswith("/"):
            return self._anchors.get(pointer) if pointer else document
        for name in pointer[1:].split("/"):
            name = name.replace("~1", "/").replace("~0", "~")
            if isinstance(document, dict):
                document = document.get(name)
            elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
                document = document[int(name)]
            else:
                return None
        return document


def _below(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from _map(node.get("properties")).items()
    for n, schema in enumerate(_list(node.get("prefixItems")) or _list(node.get("items"))):
        yield f"[{n}]", schema
    for name in _OF_ANY_PART:
        yield _ANY, node.get(name)
    for name in _OF_ANY_PART_MAPS:
        yield from ((_ANY, schema) for schema in _map(node.get(name)).values())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parts(document: Any) -> Iterator[dict[str, Any]]:
    left = [document]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left += part.values()
        elif isinstance(part, list):
            left += part
