"""Differences between two Protobuf message types. If the types of their fields differ by name, each value there is a
`typed.Typed`.

The full name identifies a message or an enum. Fields are matched by name, as everywhere in the comparison.
"""

from typing import Any

from shadowstream.codecs.evolution import Evolution, Step, pruned
from shadowstream.codecs.protobuf import TEXTS
from shadowstream.codecs.typed import Kind

_Steps = tuple[Step | None, Step | None]


def between(production: Any, shadow: Any) -> Evolution:
    walk = _Walk()
    production_step, shadow_step = map(pruned, walk.messages(production, shadow, ""))
    return Evolution({"retyped": walk.retyped} if walk.retyped else {}, production_step, shadow_step)


class _Walk:
    """A parallel walk over two message types."""

    def __init__(self) -> None:
        self.retyped: list[str] = []
        self._known: dict[tuple[str, str], tuple[Step, Step]] = {}

    def messages(self, production: Any, shadow: Any, path: str) -> _Steps:
        key = production.full_name, shadow.full_name
        if key not in self._known:
            production_step, shadow_step = self._known[key] = Step(), Step()
            for field in () if TEXTS.intersection(key) else production.fields:
                partner = shadow.fields_by_name.get(field.name)
                if partner is not None:
                    steps = self._fields(field, partner, f"{path}.{field.name}" if path else field.name)
                    production_step.fields[field.name] = field.name, steps[0]
                    shadow_step.fields[field.name] = field.name, steps[1]
        return self._named(key, path, self._known[key])

    def _fields(self, production: Any, shadow: Any, path: str) -> _Steps:
        """The steps of two fields. Lists and maps get a step around the step of their elements."""
        content, shadow_content = _content_field(production), _content_field(shadow)
        within = f"{path}.*" if production.is_repeated else path
        if content.message_type is not None and shadow_content.message_type is not None:
            steps = self.messages(content.message_type, shadow_content.message_type, within)
        else:
            steps = self._named((_name(content), _name(shadow_content)), within, (None, None))
        return tuple(  # type: ignore[return-value]  # two of two
            Step(inner=step) if field.is_repeated and step is not None else step
            for field, step in zip((production, shadow), steps, strict=True)
        )

    def _named(self, names: tuple[str, str], path: str, steps: _Steps) -> _Steps:
        """The given steps if both types have the same name; else steps that attach the type to each value."""
        if names[0] == names[1]:
            return steps
        self.retyped.append(path)
        return Step(None, steps[0], Kind(names[0])), Step(None, steps[1], Kind(names[1]))


def _content_field(field: Any) -> Any:
    """The field of a map's values; any other field itself."""
    entry = field.message_type
    return entry.fields_by_name["value"] if entry is not None and entry.GetOptions().map_entry else field


def _name(field: Any) -> str:
    """The full name of a message or an enum. All numbers share one name, because their values are compared."""
    named = field.message_type or field.enum_type
    return named.full_name if named is not None else _SCALARS.get(field.type, "number")


_SCALARS = {8: "bool", 9: "string", 12: "bytes"}
"""Names by the type numbers of descriptors."""
