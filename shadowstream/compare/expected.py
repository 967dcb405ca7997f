"""Declared expected changes: when a mismatch is one that was asked for.

A pair is expected if every path in which it differs lies at or below a path of a declared change whose predicate holds
there, and the change has not expired at production's event time. Several changes may explain one pair together. One
difference that nothing explains makes it a mismatch, with all its differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from shadowstream.compare.differences import ABSENT
from shadowstream.compare.hooks import Hook, HookError, Load, Unanswered, fenced, load
from shadowstream.compare.lists import canonical
from shadowstream.config import Expected
from shadowstream.paths import parse_path

Found = tuple[tuple[str, ...], str, Any, Any]
"""Names of a path, kind, production's value, the candidate's."""


class _Change(NamedTuple):
    name: str
    paths: list[list[str | None]]
    until_ms: float
    wanted: dict[str, Any]
    call: Hook | None

    def explains(self, found: Found) -> bool:
        """Whether one difference is this change; raises `HookError`."""
        at, _, production, shadow = found
        if not any(_is_at_or_below(at, path) for path in self.paths):
            return False
        for side, value in (("production", production), ("shadow", shadow)):
            if side in self.wanted and (value is ABSENT or canonical(value) != canonical(self.wanted[side])):
                return False
        if self.call is None:
            return True
        return bool(self.call(None if production is ABSENT else production, None if shadow is ABSENT else shadow))


def _is_at_or_below(at: Sequence[str], path: Sequence[str | None]) -> bool:
    return len(at) >= len(path) and all(name in (None, own) for name, own in zip(path, at, strict=False))


class ExpectedChanges:
    """The declared changes of a trial. Raises `ConfigError` for a function that cannot be loaded."""

    def __init__(self, declared: Iterable[Expected] = (), loads: Load = load) -> None:
        self._changes = [
            _Change(
                one.name,
                [parse_path(path) for path in one.paths],
                one.until.timestamp() * 1000,
                {side: getattr(one, side) for side in ("production", "shadow") if side in one.model_fields_set},
                fenced(one.call, loads(one.call, "compare.expected", 2)) if one.call else None,
            )
            for one in declared
        ]

    def __bool__(self) -> bool:
        return bool(self._changes)

    def names(self, found: Iterable[Found], time_ms: int) -> list[str]:
        """Names of the changes that explain all that was found, in the config's order; empty where they do not. Raises
        `Unanswered` where that depends on a function that did not answer."""
        alive = [change for change in self._changes if time_ms < change.until_ms]
        used = set()
        unanswered: Unanswered | None = None
        for one in found:
            try:
                name = next((change.name for change in alive if change.explains(one)), None)
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
