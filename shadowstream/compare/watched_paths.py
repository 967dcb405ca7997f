"""Paths named by criteria, and the detection which of them a difference touches.

A difference touches a path in three cases. It is at the path; above it (the object around the field is missing, null
or of another type); or below it (a part of the named object differs). Paths are those of rules, with stars
(`paths.parse_path`).
"""

from collections.abc import Iterable, Sequence

Names = Sequence[str | None]
"""Names of a parsed path, None for a star."""


class Watched:
    """Paths to look for among the differences of pairs.

    >>> watched = Watched({"user.zip": ["user", "zip"], "r.*.s": ["r", None, "s"]})
    >>> [sorted(watched.touched(at)) for at in (["user"], ["r", "7", "s", "x"], ["r2"], [])]
    [['user.zip'], ['r.*.s'], [], ['r.*.s', 'user.zip']]
    """

    __slots__ = ("_paths", "every")

    def __init__(self, paths: dict[str, Names]) -> None:
        self._paths = [(text, tuple(names)) for text, names in paths.items()]
        self.every = frozenset(paths)
        """All watched paths, which a difference of whole values touches."""

    def __len__(self) -> int:
        return len(self._paths)

    def touched(self, path: Sequence[str]) -> Iterable[str]:
        for text, names in self._paths:
            if all(name is None or name == differing for name, differing in zip(names, path, strict=False)):
                yield text


NONE_WATCHED = Watched({})
