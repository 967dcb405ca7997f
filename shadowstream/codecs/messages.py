"""Two types of Protobuf messages: where the types of their fields differ by name, each value there is `typed.Typed`.

A message is known by its full name, and so is an enum. Fields meet by their names, as in all else of the comparison.
"""

from __future__ import annotations

from typing import Any

from shadowstream.codecs.evolution import Evolution, Step, pruned
from shadowstream.codecs.protobuf import TEXTS
from shadowstream.codecs.typed import Kind

_Steps = tuple[Step | None, Step | None]


def between(production: Any, shadow: Any) -> Evolution:
    """What lies between the messages of two descriptors."""
    walk = _Walk()
    ours, theirs = map(pruned, walk.messages(production, shadow, ""))
    return Evolution({"retyped": walk.retyped} if walk.retyped else {}, ours, theirs)


class _Walk:
    """One walk over two types of messages, side by side."""

    def __init__(self) -> None:
        self.retyped: list[str] = []
        self._known: dict[tuple[str, str], tuple[Step, Step]] = {}

    def messages(self, ours: Any, theirs: Any, path: str) -> _Steps:
        """The steps of two types of messages at one place."""
        key = ours.full_name, theirs.full_name
        if key not in self._known:
            one, other = self._known[key] = Step(), Step()
            for field in () if TEXTS.intersection(key) else ours.fields:
                partner = theirs.fields_by_name.get(field.name)
                if partner is not None:
                    steps = self._fields(field, partner, f"{path}.{field.name}" if path else field.name)
                    one.fields[field.name], other.fields[field.name] = (field.name, steps[0]), (field.name, steps[1])
        return self._named(key, path, self._known[key])

    def _fields(self, ours: Any, theirs: Any, path: str) -> _Steps:
        """The steps of two fields; of lists and maps around those of what they hold."""
        one, other = _held(ours), _held(theirs)
        within = f"{path}.*" if ours.is_repeated else path
        if one.message_type is not None and other.message_type is not None:
            steps = self.messages(one.message_type, other.message_type, within)
        else:
            steps = self._named((_name(one), _name(other)), within, (None, None))
        return tuple(  # type: ignore[return-value]  # two of two
            Step(inner=step) if field.is_repeated and step is not None else step
            for field, step in zip((ours, theirs), steps, strict=True)
        )

    def _named(self, names: tuple[str, str], path: str, steps: _Steps) -> _Steps:
        """The steps as they are for two types of one name; else such that each value bears its own."""
        if names[0] == names[1]:
            return steps
        self.retyped.append(path)
        return Step(None, steps[0], Kind(names[0])), Step(None, steps[1], Kind(names[1]))


def _held(field: Any) -> Any:
    """The field that says what a map holds; any other field itself."""
    entry = field.message_type
    return entry.fields_by_name["value"] if entry is not None and entry.GetOptions().map_entry else field


def _name(field: Any) -> str:
    """The full name of a message or an enum; all numbers have one name, for of them the values are compared."""
    named = field.message_type or field.enum_type
    return named.full_name if named is not None else _SCALARS.get(field.type, "number")


_SCALARS = {8: "bool", 9: "string", 12: "bytes"}
"""By the numbers that the descriptors have for them."""
