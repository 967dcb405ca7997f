"""Size limits of the records of a trial. A record too large for its topic would fail its commit after each restart.

Each part of a row has its own limit, so that a row is always smaller than `ROW_BYTES_MAX`, as Avro and as JSON. The
client accepts 1,000,000 bytes a record, and no setting of shadowstream lowers that. `compare.differences` cuts values.
Here paths, which hold the keys of maps, and keys of any length are cut.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any

KEY_BYTES_MAX = 16_384
"""Longer keys and ids are left out of diff. Their outcomes cannot be corrected, because a restart cannot know them."""
PATH_CHARS_MAX = 256
REASON_CHARS_MAX = 2_000
ROW_BYTES_MAX = 600_000
MARK_BYTES = 400_000
"""Size of the absences in a mark at which a transaction ends; one more turn of the loop fits into the rest."""
BIN_BYTES = 300_000
"""The same of the distributions in a stats record: bins of a window are few, but a replay ends many windows at once."""
FIELDS_BYTES_MAX = 200_000
HASH_CHARS = 17
OTHER = "(other)"


def too_long(key: object) -> bool:
    """Return whether a redacted key or id is too long for diff."""
    return isinstance(key, bytes) and len(key) > KEY_BYTES_MAX


def any_too_long(keys: Iterable[bytes | None]) -> bool:
    """Return whether one of these redacted keys or ids is too long for diff."""
    return max(map(len, filter(None, keys)), default=0) > KEY_BYTES_MAX


def cut_path(path: str) -> str:
    """Shorten a path for a record; long paths with the same beginning stay distinct."""
    return shortened(path, PATH_CHARS_MAX)


class FieldCounts:
    """Counter of pairs by differing path, between two commits.

    Keys of a map are paths too, in any number. Beyond `FIELDS_BYTES_MAX` of paths all new ones count as `OTHER`, except
    paths that a criterion names.

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
        self._left = FIELDS_BYTES_MAX

    def add(self, paths: Iterable[str], fields: Counter[str]) -> None:
        """Count one pair in `fields`, the counts of its window."""
        fields.update({self._name(cut_path(path), fields) for path in paths})

    def add_columns(self, places_of: Iterable[tuple[str, Sequence[int]]], fields: Counter[str]) -> None:
        """Count many pairs as `add` counts each; given are the places of the pairs that differ at each path."""
        by_name: dict[str, list[Sequence[int]]] = {}
        known = Counter(fields)
        for path, places in places_of:
            name = self._name(cut_path(path), known)
            known[name] += 1
            by_name.setdefault(name, []).append(places)
        for name, found in by_name.items():
            fields[name] += len(found[0]) if len(found) == 1 else len({*chain(*found)})

    def _name(self, path: str, fields: Counter[str]) -> str:
        if path in fields or path in self._named:
            return path
        self._left -= len(path.encode("utf-8", "replace"))
        return path if self._left >= 0 else OTHER


def cut(row: dict[str, Any]) -> bool:
    """Cut a diff record (schemas/diff.avsc) in place to its limits, list the cuts in its reason; return whether any.

    >>> row = {"key": bytes(20_000), "id": None, "differences": [], "reason": None}
    >>> cut(row), row["key"], row["reason"]
    (True, None, 'cut: key of 20000 bytes')
    """
    cuts = []
    for field in ("key", "id"):
        if too_long(row[field]):
            cuts.append(f"{field} of {len(row[field])} bytes")
            row[field] = None
    paths = 0
    for difference in row["differences"]:
        shown = cut_path(difference["path"])
        paths += shown != difference["path"]
        difference["path"] = shown
    if paths:
        cuts.append(f"{paths} paths")
    reason = row["reason"] or ""
    if len(reason) > REASON_CHARS_MAX:
        cuts.append(f"reason of {len(reason)} characters")
        reason = reason[: REASON_CHARS_MAX - 1] + "…"
    if cuts:
        row["reason"] = "; ".join(filter(None, [reason, f"cut: {', '.join(cuts)}"]))
    return bool(cuts)


def shortened(text: str, limit: int) -> str:
    """Shorten a text to at most `limit` characters: its beginning, an ellipsis and 16 digits of its hash.

    >>> shortened("https://example.org/a", 21), shortened("https://example.org/ab", 21)
    ('https://example.org/a', 'htt…#eea406c2befe1e89')
    """
    if len(text) <= limit:
        return text
    return f"{text[: limit - 1 - HASH_CHARS]}…{hash_of(text)}"


def hash_of(value: str | bytes) -> str:
    """Return ``#`` and 16 digits of a value's hash: `HASH_CHARS` characters.

    >>> hash_of("a"), len(hash_of("a")) == HASH_CHARS
    ('#40f89e395b66422f', True)
    """
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return f"#{blake2b(raw, digest_size=8).hexdigest()}"
