"""Redaction of values that must not leave the process: a keyed hash or nothing. The comparison sees the original
values.

A hash is HMAC-SHA-256 (RFC 2104) with the trial's secret, cut to 16 hex digits and marked. Equal values remain
recognisable as equal, and without the secret no list of guesses finds them. A marked text stays unchanged, so a
redacted value that is restored from `diff` after a restart is not hashed again.
"""

import hmac
from collections.abc import Sequence

from shadowstream.compare.dimension_codes import ABSENT, Coded
from shadowstream.compare.result import Difference
from shadowstream.config import Redact, Rule
from shadowstream.paths import join_path, parse_path

MARK = "redacted:"
_DIGITS = 16
_LENGTH = len(MARK) + _DIGITS
DROPPED = f"{MARK}{'-' * _DIGITS}"


class Redactor:
    """The redaction of one trial; None changes nothing. `rules` are those of the comparison: the redactor must also
    hide the values of a secret key by which lists are compared, because they occur in paths."""

    def __init__(self, redact: Redact | None, rules: Sequence[Rule] = ()) -> None:
        self._redact = redact
        self._paths = [] if redact is None else [parse_path(path) for path in redact.paths]
        self._secret = (redact.secret or "").encode() if redact else b""
        self._keyed = [
            parse_path(rule.path)
            for rule in rules
            if rule.key is not None and self._covers([*parse_path(rule.path), None, *parse_path(rule.key)])
        ]

    def __bool__(self) -> bool:
        return self._redact is not None

    def covers(self, path: str) -> bool:
        """Whether a value at this path contains, or is part of, a redacted value."""
        return self._covers(parse_path(path))

    def _covers(self, path: Sequence[str | None]) -> bool:
        return any(
            all(own is None or name is None or own == name for own, name in zip(wanted, path, strict=False))
            for wanted in self._paths
        )

    def text(self, value: str) -> str:
        if value.startswith(MARK) and len(value) == _LENGTH:
            return value
        if self._redact is not None and self._redact.how == "drop":
            return DROPPED
        return MARK + hmac.new(self._secret, value.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:_DIGITS]

    def path(self, path: str) -> str:
        """A path as it may be shown: without covered keys of list elements."""
        if not self._keyed:
            return path
        names = parse_path(path)
        for keyed in self._keyed:
            holds = all(own is None or own == name for own, name in zip(keyed, names, strict=False))
            if len(names) > len(keyed) and holds and (name := names[len(keyed)]) is not None:
                names[len(keyed)] = self.text(name)
        return join_path(names)

    def difference(self, difference: Difference) -> Difference:
        """A difference as it may be shown; a whole object is covered if a part of it is."""
        if not self:
            return difference
        if not self.covers(difference.path):
            return difference._replace(path=self.path(difference.path)) if self._keyed else difference
        production, shadow = (
            None if text is None else f'"{self.text(text)}"' for text in (difference.production, difference.shadow)
        )
        return Difference(self.path(difference.path), difference.kind, production, shadow, None)

    def differences(self, differences: Sequence[Difference]) -> Sequence[Difference]:
        return [self.difference(difference) for difference in differences] if self else differences

    def key(self, key: bytes | None) -> bytes | None:
        """A record's key or correlation id as it may be shown."""
        if key is None or self._redact is None or not self._redact.keys:
            return key
        return self.text(key.decode("latin-1")).encode()

    def reason(self, reason: str | None) -> str | None:
        """The part of a reason before the first colon: the rest may quote a value."""
        return reason.partition(":")[0] if self and reason is not None and ":" in reason else reason

    def payload(self, value: bytes | None) -> bytes | None:
        """The length and the hash of an undecodable value, whose covered parts are unknown."""
        if value is None or not self:
            return value
        return f"{len(value)} bytes, {self.text(value.decode('latin-1'))}".encode()

    def name(self, path: str | None, value: str) -> str:
        return self.text(value) if self and path is not None and self.covers(path) else value

    def by_header(self, header: str, column: Coded) -> Coded:
        """A column of a dimension that is a header; absence remains visible."""
        if self._redact is None or header not in self._redact.headers:
            return column
        return Coded(column.codes, [value if value == ABSENT else self.text(value) for value in column.values])
