"""Declared expected changes: the decision whether a mismatch was announced.

A pair is expected if every differing path is at or below a path of a declared change whose predicate holds there,
and the change has not expired at production's event time. Several changes may together explain one pair. A single
unexplained difference makes the pair a mismatch, with all its differences.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from shadowstream.compare.differences import ABSENT
from shadowstream.compare.hooks import Hook, HookError, Load, Unanswered, fenced, load
from shadowstream.compare.lists import canonical
from shadowstream.config import Expected
from shadowstream.paths import parse_path

RawDifference = tuple[tuple[str, ...], str, Any, Any]
"""The names of a path, the kind, production's value, the candidate's value."""


class _Change(NamedTuple):
    name: str
    paths: list[list[str | None]]
    until_ms: float
    wanted: dict[str, Any]
    call: Hook | None

    def explains(self, difference: RawDifference) -> bool:
        """Whether one difference is this change; raises `HookError`."""
        path, _, production, shadow = difference
        if not any(_is_below(path, declared) for declared in self.paths):
            return False
        for side, value in (("production", production), ("shadow", shadow)):
            if side in self.wanted and (value is ABSENT or canonical(value) != canonical(self.wanted[side])):
                return False
        if self.call is None:
            return True
        return bool(self.call(None if production is ABSENT else production, None if shadow is ABSENT else shadow))


def _is_below(path: Sequence[str], declared: Sequence[str | None]) -> bool:
    return len(path) >= len(declared) and all(name in (None, own) for name, own in zip(declared, path, strict=False))


class ExpectedChanges:
    """The declared changes of a trial. Raises `ConfigError` for a function that cannot be loaded."""

    def __init__(self, declared: Iterable[Expected] = (), loads: Load = load) -> None:
        self._changes = [
            _Change(
                change.name,
                [parse_path(path) for path in change.paths],
                change.until.timestamp() * 1000,
                {side: getattr(change, side) for side in ("production", "shadow") if side in change.model_fields_set},
                fenced(change.call, loads(change.call, "compare.expected", 2)) if change.call else None,
            )
            for change in declared
        ]

    def __bool__(self) -> bool:
        return bool(self._changes)

    def names(self, differences: Iterable[RawDifference], time_ms: int) -> list[str]:
        """Names of the changes that together explain all differences, in the config's order; empty if they do not.
        Raises `Unanswered` if that depends on a function that did not answer."""
        alive = [change for change in self._changes if time_ms < change.until_ms]
        used = set()
        unanswered: Unanswered | None = None
        for difference in differences:
            try:
                name = next((change.name for change in alive if change.explains(difference)), None)
            except Unanswered as error:
                unanswered = unanswered or error
                continue
            except HookError:
                name = None
            if name is None:
                return []
            used.add(name)
        if unanswered is not None:
            raise unanswered
        return [change.name for change in alive if change.name in used]
