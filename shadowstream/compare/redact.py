"""Redaction of values that must not leave the process: a keyed hash or nothing. The comparison sees the original
values.

A hash is HMAC-SHA-256 (RFC 2104) with the trial's key, cut to 16 hex digits and marked. Equal values remain
recognisable as equal, and without the key no list of guesses finds them. Where no key is known, nothing is shown.

Three rules decide, and the strictest counts (docs/privacy.md):

1. `compare.redact` covers paths, in full: values at, below and around them, and the names below them.
2. Redaction fails closed: it also covers each field of the last name of a redacted path, wherever it is, and each
   field that only the candidate has. A path that the config names literally is exempt.
3. `compare.examples.values` decides about all other values. Unless it is *shown*, names that may be data are hashed
   too: names of the candidate's making, keys of list elements, and names that do not look like those of fields.
"""

import hmac
import re
from binascii import hexlify
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import repeat
from typing import NamedTuple

from shadowstream.codecs.mismatch_rows import FieldColumns
from shadowstream.compare.column_differences import FieldDifferences
from shadowstream.compare.differences import deltas_of, is_plain, texts_of
from shadowstream.compare.dimension_codes import ABSENT, Coded
from shadowstream.compare.result import Difference, PlainText
from shadowstream.config import Compare, Config
from shadowstream.paths import HEADERS_PART, KEY_PART, join_path, parse_path

MARK = "redacted:"
_MARK = MARK.encode()
_DIGITS = 16
_DIGITS_BYTES = _DIGITS // 2
_BLOCK_BYTES = 64
DROPPED = f"{MARK}{'-' * _DIGITS}"
_FIELD_NAME = re.compile(r"(?!.*[0-9]{5})[A-Za-z_$][A-Za-z0-9_-]{0,47}")
_INDEX = re.compile(r"[0-9]{1,3}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_ERROR_NAME = re.compile(r"[A-Za-z_][\w.]{0,99}|output refused")
_PIECE_BYTES = 1_000_000
Names = Sequence[str | None]


_PATHS_KEPT, _PATH_CHARS_KEPT = 4_096, 256
"""Differences mostly have few paths, over and over; the keys of maps make any number, of any length."""


class _ShownPath(NamedTuple):
    """A path as it may be shown. `is_covered`: redaction covers its values; `is_allowed`: the config names it."""

    text: str
    is_covered: bool
    is_allowed: bool


class Hashed(bytes):
    """A key or id that is a hash already, such as one that a restart has read from `diff`."""


class Redactor:
    """The redaction of one trial. `named`: further paths that the config names, such as those of criteria.

    `spelling`: bytes that all keys and ids of equal meaning share, so that they have one hash.
    """

    def __init__(self, compare: Compare, named: Sequence[str] = (), spelling: Callable[[bytes], bytes] = bytes) -> None:
        redact, self._values = compare.redact, compare.examples.values
        self._hides, self._hides_keys, self._key = not compare.shows_texts, compare.hides_keys, compare.hash_key
        self._digest = None if self._key is None else _hmac(self._key)
        self._redacts, self._drops = redact is not None, redact is not None and redact.how == "drop"
        self._headers = frozenset(redact.headers if redact else ())
        self._paths: list[Names] = [parse_path(path) for path in redact.paths] if redact else []
        self._paths += [[KEY_PART]] if compare.key and self._hides_keys else []
        self._paths += [[HEADERS_PART, name] for name in compare.headers if name in self._headers]
        self._last_names = {name for path in self._paths if (name := _last_name(path)) is not None}
        self._named = [parse_path(path) for path in (*compare.named_paths, *named)]
        self._keyed = [
            (parse_path(rule.path), self._covers([*parse_path(rule.path), None, *parse_path(rule.key)]))
            for rule in compare.rules
            if rule.key is not None
        ]
        self._spelling = spelling
        self._kept_path = lru_cache(_PATHS_KEPT)(self._found_path)
        self._kept_field = lru_cache(_PATHS_KEPT)(self._found_field)
        self._calls = tuple(f"{call}: " for call in compare.calls)

    @classmethod
    def of(cls, config: Config, spelling: Callable[[bytes], bytes] = bytes) -> "Redactor":
        criteria = [one.path for one in config.judge.criteria if one.path is not None]
        return cls(config.compare, criteria, spelling)

    def __bool__(self) -> bool:
        return self._hides

    def covers(self, path: str) -> bool:
        """Whether `compare.redact` covers a value at this path: it contains, or is part of, a redacted value."""
        return self._covers(parse_path(path))

    def _covers(self, names: Names) -> bool:
        return any(_overlap(wanted, names) for wanted in self._paths) or self._named_alike(names) is not None

    def _named_alike(self, names: Names) -> int | None:
        """The place of a redacted field's name in a path; None if there is none, or if the config names that path."""
        for place, name in enumerate(names):
            if name in self._last_names and not self._is_named(names[: place + 1]):
                return place
        return None

    def _is_named(self, names: Names) -> bool:
        """Whether a path of the config leads here and has the last of these names literally."""
        n = len(names)
        return any(
            len(path) >= n and path[n - 1] == names[-1] and path[n - 1] is not None and _overlap(path, names)
            for path in self._named
        )

    def text(self, value: str, *, drops: bool = False) -> str:
        """The hash of a text, or the mark of a dropped one."""
        (text,) = self._marks([value.encode("utf-8", "surrogatepass")], drops=drops)
        return text.decode()

    def _marks(self, values: Sequence[bytes], *, drops: bool = False) -> list[bytes]:
        """The hashes of texts in UTF-8, or the marks of dropped ones."""
        digest = self._digest
        if drops or digest is None:
            return [DROPPED.encode()] * len(values)
        return [_MARK + hexlify(digest(value)[:_DIGITS_BYTES]) for value in values]

    def shown_names(self, names: Sequence[str], new_from: int | None = None) -> list[str]:
        """The names of a path as they may be shown. `new_from`: the place from which only the candidate has them."""
        if not self._hides:
            return list(names)
        hidden = {place for place, name in enumerate(names) if self._may_be_data(names, place)}
        if new_from is not None:
            new = range(new_from, len(names))
            hidden |= {n for n in new if not (_INDEX.fullmatch(names[n]) or self._is_named(names[: n + 1]))}
        for wanted in self._paths:
            if _overlap(wanted, names):
                hidden |= {n for n in range(len(names)) if n >= len(wanted) or wanted[n] is None}
        if (alike := self._named_alike(names)) is not None:
            hidden |= set(range(alike + 1, len(names)))
        drops = self._drops or self._values == "none"
        return [self.text(name, drops=drops) if n in hidden else name for n, name in enumerate(names)]

    def _may_be_data(self, names: Sequence[str], place: int) -> bool:
        """Whether a name may be data by itself: the key of a list's element, or no name of a field."""
        name = names[place]
        for keyed, is_covered in self._keyed:
            if len(keyed) == place and _overlap(keyed, names):
                return is_covered or (self._values != "shown" and not self._is_number(name))
        if self._values == "shown" or self._is_number(name) or _FIELD_NAME.fullmatch(name):
            return False
        return not self._is_named(names[: place + 1])

    def _is_number(self, name: str) -> bool:
        return (_NUMBER if self._values in ("numbers", "shown") else _INDEX).fullmatch(name) is not None

    def path(self, difference: Difference) -> str:
        """The path of a difference as it may be shown."""
        return self._path(difference, None).text if self._hides else difference.path

    def difference_path(self, names: Sequence[str]) -> str:
        """The path of a difference of two values as it may be shown."""
        return self._path_of_both(names).text if self._hides else join_path(names)

    def _path_of_both(self, names: Sequence[str]) -> _ShownPath:
        return self._path(Difference(join_path(names), "value", "", ""), None)

    def fields(self, fields: Iterable[FieldDifferences]) -> list[FieldColumns]:
        """Differences in columns as they may be shown: as `difference` shows each."""
        return [self._field(field, *texts_of(field.production, field.shadow)) for field in fields]

    def _field(self, field: FieldDifferences, production: list[bytes], shadow: list[bytes]) -> FieldColumns:
        rows, kinds = field.pairs.tolist(), field.kinds()
        if not self._hides:
            path = self.difference_path(field.path)
            return FieldColumns(rows, path, kinds, production, shadow, deltas_of(field.production, field.shadow))
        shown = self._path_of_both(field.path)
        if shown.is_covered or self._values in ("hashed", "none"):
            drops = (shown.is_covered and self._drops) or self._values == "none"
            production, shadow = (_quoted(self._marks(texts, drops=drops)) for texts in (production, shadow))
            return FieldColumns(rows, shown.text, kinds, production, shadow, list(repeat(None, len(production))))
        if self._values == "numbers":
            production, shadow = self._numbers(field.production, production), self._numbers(field.shadow, shadow)
        return FieldColumns(rows, shown.text, kinds, production, shadow, deltas_of(field.production, field.shadow))

    def _numbers(self, values: Sequence[object], texts: list[bytes]) -> list[bytes]:
        """Hash the texts among values of one type."""
        if str not in {*map(type, values)}:
            return texts
        hashes = _quoted(self._marks(texts))
        found = zip(values, texts, hashes, strict=True)
        return [text if is_plain(value) else hashed for value, text, hashed in found]

    def _path(self, difference: Difference, new_from: int | None) -> _ShownPath:
        find = self._kept_path if len(difference.path) <= _PATH_CHARS_KEPT else self._found_path
        return find(difference.path, new_from, new_from is None and _is_new(difference))

    def _found_path(self, path: str, new_from: int | None, is_new: bool) -> _ShownPath:
        names = _literal(path)
        if is_new:
            new_from = len(names) - 1
        shown = join_path(self.shown_names(names, new_from))
        return _ShownPath(shown, self._covers(names), self._is_allowed(names, new_from or 0))

    def field(self, path: str) -> str:
        """The path of a field of production as it may be shown."""
        if not self._hides:
            return path
        return (self._kept_field if len(path) <= _PATH_CHARS_KEPT else self._found_field)(path)

    def _found_field(self, path: str) -> str:
        names = parse_path(path)
        shown = iter(self.shown_names(["0" if name is None else name for name in names]))
        return join_path(None if name is None else one for name, one in zip(names, shown, strict=True))

    def difference(self, difference: Difference, new_from: int | None = None) -> Difference:
        """A difference as it may be shown; a whole object is covered if a part of it is. `new_from`: as above, by
        default the last name of a field that only the candidate has."""
        if not self._hides:
            return difference
        path = self._path(difference, new_from)
        if path.is_covered:
            production, shadow = (self._covered(text) for text in (difference.production, difference.shadow))
            return Difference(path.text, difference.kind, production, shadow, None)
        is_moved = new_from is not None or difference.kind == "type" or _is_new(difference)
        covers = self._redacts and is_moved and not path.is_allowed
        shadow = self._covered(difference.shadow) if covers else self._value(difference.shadow)
        delta = None if self._values in ("hashed", "none") else difference.delta
        return Difference(path.text, difference.kind, self._value(difference.production), shadow, delta)

    def _is_allowed(self, names: Sequence[str], new_from: int) -> bool:
        """Whether the config names a field of these, literally, at or below the place from which it is new."""
        return any(
            new_from < len(path) <= len(names) and path[-1] is not None and _overlap(path, names)
            for path in self._named
        )

    def _value(self, text: str | None) -> str | None:
        if text is None or self._values == "shown" or (self._values == "numbers" and isinstance(text, PlainText)):
            return text
        return f'"{self.text(text, drops=self._values == "none")}"'

    def _covered(self, text: str | None) -> str | None:
        return None if text is None else f'"{self.text(text, drops=self._drops or self._values == "none")}"'

    def differences(self, differences: Sequence[Difference]) -> Sequence[Difference]:
        return [self.difference(difference) for difference in differences] if self else differences

    def of_input(self, text: str) -> str:
        """The JSON of a field of an input. A redaction names fields of outputs, so it covers all of an input."""
        return (self._covered(text) if self._redacts else self._value(text)) or ""

    def answer(self, answer: str | None) -> str | None:
        """An answer or a label as JSON, with hashes in place of its texts: equal answers stay equal."""
        if answer is None or not self._hides:
            return answer
        return _JSON_TEXT.sub(lambda text: f'"{self.text(text[0])}"', answer)

    def key(self, key: bytes | None) -> bytes | None:
        """A record's key or correlation id as it may be shown. It is never dropped: a late record finds its partner
        by it."""
        if key is None or not self._hides_keys or isinstance(key, Hashed):
            return key
        return Hashed(self.text(self._spelling(key).decode("latin-1")).encode())

    def keys(self, keys: Sequence[bytes | None]) -> Sequence[bytes | None]:
        """Keys or correlation ids as they may be shown: as `key` shows each."""
        if not self._hides_keys:
            return keys
        if {*map(type, keys)} != {bytes}:
            return list(map(self.key, keys))
        spelled = map(self._spelling, keys)  # type: ignore[arg-type]  # all are bytes
        return self._marks([one if one.isascii() else one.decode("latin-1").encode() for one in spelled])

    def reason(self, reason: str | None) -> str | None:
        """A reason that may quote a value: the name of its error, and the hash of the rest."""
        if not self._hides or not reason or _ERROR_NAME.fullmatch(reason):
            return reason
        for call in self._calls:
            if reason.startswith(call):
                return call + (self.reason(reason.removeprefix(call)) or "")
        head, colon, rest = reason.partition(":")
        if not colon or not _ERROR_NAME.fullmatch(head):
            return self.text(reason, drops=self._values == "none")
        return f"{head}: {self.text(rest.strip(), drops=self._values == 'none')}"

    def payload(self, value: bytes | None) -> bytes | None:
        """The length and the hash of an undecodable value, whose covered parts are unknown."""
        if value is None or not self._hides:
            return value
        shown = DROPPED
        if self._key is not None and not self._drops and self._values != "none":
            digest = hmac.new(self._key, digestmod="sha256")
            for begin in range(0, len(value), _PIECE_BYTES):  # as one text it would take thrice its size
                digest.update(value[begin : begin + _PIECE_BYTES].decode("latin-1").encode())
            shown = MARK + digest.hexdigest()[:_DIGITS]
        return f"{len(value)} bytes, {shown}".encode()

    def name(self, path: str | None, value: str) -> str:
        """The value of a dimension, which the config names to be shown, unless it is redacted."""
        return self.text(value, drops=self._drops) if path is not None and self.covers(path) else value

    def header(self, name: str, value: str | None) -> str | None:
        """The value of a header that is compared."""
        return self._covered(value) if name in self._headers else self._value(value)

    def by_header(self, header: str, column: Coded) -> Coded:
        """A column of a dimension that is a header; absence remains visible."""
        if header not in self._headers:
            return column
        shown = [value if value == ABSENT else self.text(value, drops=self._drops) for value in column.values]
        return Coded(column.codes, shown)


def _hmac(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 under one key. `hmac.digest` takes more than twice the time: it begins with the key each time."""
    block = (sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))

    def digest(text: bytes) -> bytes:
        of_text, whole = inner.copy(), outer.copy()
        of_text.update(text)
        whole.update(of_text.digest())
        return whole.digest()

    return digest


def _quoted(texts: list[bytes]) -> list[bytes]:
    return [b'"%b"' % text for text in texts]


def _overlap(wanted: Names, names: Names) -> bool:
    return all(own is None or name is None or own == name for own, name in zip(wanted, names, strict=False))


def _last_name(path: Names) -> str | None:
    return next((name for name in reversed(path) if name is not None and not name.isdigit()), None)


def _literal(path: str) -> list[str]:
    return ["*" if name is None else name for name in parse_path(path)]


def _is_new(difference: Difference) -> bool:
    """Whether only the candidate has the field."""
    return difference.production is None and difference.shadow is not None and difference.path != ""
