"""Objects of frozen classes from decoded records, by the types of the fields."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints


def maker(kind: type[Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Return the function that makes an object of a dataclass from the values of its fields, nested ones included."""
    hints = get_type_hints(kind)
    parts = [(field.name, _converter(hints[field.name])) for field in fields(kind)]
    return lambda values: kind(*(values[name] if convert is None else convert(values[name]) for name, convert in parts))


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    """Return the function that converts a decoded value to the type; None if the value has it already."""
    if isinstance(hint, UnionType):
        (inner,) = (kind for kind in get_args(hint) if kind is not NoneType)
        convert = _converter(inner)
        return None if convert is None else lambda value: None if value is None else convert(value)
    if get_origin(hint) is tuple:
        each = _converter(get_args(hint)[0])
        return tuple if each is None else lambda values: tuple(map(each, values))
    if is_dataclass(hint) and isinstance(hint, type):
        make = maker(hint)
        return lambda value: value if isinstance(value, hint) else make(value)
    return None
