"""What is cut from a record before it is written: one that is too large for its topic fails the commit that holds
it, and would fail it again after each restart.

Each part has a bound of its own, so that a row is always smaller than `ROW_BYTES_MAX`, as Avro and as JSON: the client
takes 1,000,000 bytes a record and no setting of ours lets it take fewer. Values are cut where they are told
(`compare.differences`); a path is as long as the keys of a map, and a key as long as its writer wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Any

KEY_BYTES_MAX = 16_384
"""A longer key or id does not stand in diff. What cannot be known again by it is not correctable."""
PATH_CHARS_MAX = 256
REASON_CHARS_MAX = 2_000
ROW_BYTES_MAX = 600_000
FIELDS_BYTES_MAX = 200_000
HASH_CHARS = 17
OTHER = "(other)"


def too_long(key: object) -> bool:
    """Whether a key or an id, as it would stand in diff, is too long for it."""
    return isinstance(key, bytes) and len(key) > KEY_BYTES_MAX


def cut_path(path: str) -> str:
    """A path as records of ours may hold it; two long ones of one beginning stay two."""
    return shortened(path, PATH_CHARS_MAX)


class FieldCounts:
    """Pairs by the paths that differ, between two commits. The keys of a map are paths as well, and there may be any
    number: beyond `FIELDS_BYTES_MAX` of them all new ones count as `OTHER`, but those that a criterion names.

    >>> counts, cell = FieldCounts(["score"]), Counter()
    >>> counts.add({f"m.{n:0>200}" for n in range(2_000)}, cell)
    >>> counts.add({"score", "m.new"}, cell)
    >>> cell["score"], cell["(other)"], len(cell) < 1_000
    (1, 2, True)
    """

    def __init__(self, named: Collection[str]) -> None:
        self._named = frozenset(map(cut_path, named))
        self.clear()

    def clear(self) -> None:
        """The counts have been committed."""
        self._left = FIELDS_BYTES_MAX

    def add(self, paths: Iterable[str], fields: Counter[str]) -> None:
        """Enter one pair into the counts of its window."""
        fields.update({self._name(cut_path(path), fields) for path in paths})

    def _name(self, path: str, fields: Counter[str]) -> str:
        if path in fields or path in self._named:
            return path
        self._left -= len(path.encode("utf-8", "replace"))
        return path if self._left >= 0 else OTHER


def cut(row: dict[str, Any]) -> bool:
    """Cut a diff record (schemas/diff.avsc) in place to what may be written, and say in its reason what was cut.

    >>> row = {"key": bytes(20_000), "id": None, "differences": [], "reason": None}
    >>> cut(row), row["key"], row["reason"]
    (True, None, 'cut: key of 20000 bytes')
    """
    gone = []
    for field in ("key", "id"):
        if too_long(row[field]):
            gone.append(f"{field} of {len(row[field])} bytes")
            row[field] = None
    paths = 0
    for difference in row["differences"]:
        shown = cut_path(difference["path"])
        paths += shown != difference["path"]
        difference["path"] = shown
    if paths:
        gone.append(f"{paths} paths")
    reason = row["reason"] or ""
    if len(reason) > REASON_CHARS_MAX:
        gone.append(f"reason of {len(reason)} characters")
        reason = reason[: REASON_CHARS_MAX - 1] + "…"
    if gone:
        row["reason"] = "; ".join(filter(None, [reason, f"cut: {', '.join(gone)}"]))
    return bool(gone)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters. A longer one is its beginning, an ellipsis and 16 digits of its hash, so
    that two texts of one beginning have two names.

    >>> shortened("https://example.org/a", 21), shortened("https://example.org/ab", 21)
    ('https://example.org/a', 'htt…#eea406c2befe1e89')
    """
    if len(text) <= most:
        return text
    return f"{text[: most - 1 - HASH_CHARS]}…{hash_of(text)}"


def hash_of(value: str | bytes) -> str:
    """A value by 16 digits of its hash: `HASH_CHARS` characters.

    >>> hash_of("a"), len(hash_of("a")) == HASH_CHARS
    ('#40f89e395b66422f', True)
    """
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return f"#{blake2b(raw, digest_size=8).hexdigest()}"
