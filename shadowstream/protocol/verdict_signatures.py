"""Signatures of verdict records: an HMAC of a key that the judge has, in a header of the record.

The signature covers trial, revision and value, so a changed record, or one of another trial, is refused. The value
holds the time of evaluation: an older record that comes again is refused while a newer one is known, and the gate's
`--max-age` bounds how long it counts in any case.
"""

import contextlib
import hashlib
import hmac
import json
from collections.abc import Sequence

from shadowstream.codecs import own
from shadowstream.errors import RecordError

HEADER = "shadowstream-signature"
UNSIGNED = "it has no signature"
FORGED = "its signature does not fit its content"
REPEATED = "a verdict that was evaluated later came before it, so it is a copy"
_SCHEME = "v1"
_ID_CHARS = 8


def key_id(key: str) -> str:
    """Return the name of a key, by which its signatures are recognized; it does not tell the key."""
    return hmac.new(key.encode(), b"shadowstream key id", hashlib.sha256).hexdigest()[:_ID_CHARS]


def signature_of(value: bytes, trial: str, revision: str, key: str) -> str:
    """Return the signature of an encoded verdict: scheme, key id and 64 hex digits (HMAC-SHA256)."""
    named = json.dumps([_SCHEME, trial, revision], ensure_ascii=True, separators=(",", ":"))
    signed = hmac.new(key.encode(), named.encode() + b"\n" + value, hashlib.sha256)
    return f"{_SCHEME},{key_id(key)},{signed.hexdigest()}"


class SignedVerdicts:
    """Verdicts of a trial, taken in the order of their topic. `keys`: any of them may have signed; none: no check.

    By revision: `last`, the last record, still encoded; `signatures`, its signature where it has one; `problems`, why
    it is not proven to be the judge's.
    """

    def __init__(self, trial: str, keys: Sequence[str]) -> None:
        self._trial, self._keys = trial, tuple(keys)
        self._newest: dict[str, int] = {}
        self.last: dict[str, bytes] = {}
        self.signatures: dict[str, str] = {}
        self.problems: dict[str, str] = {}

    def take(self, key: bytes | None, value: bytes | None, signature: bytes | None) -> None:
        """Take the next record, with the content of its header; one without key or value only removes."""
        revision = (key or b"").decode("utf-8", "replace")
        for known in (self.last, self.signatures, self.problems):
            known.pop(revision, None)
        if not revision or not value:
            return
        self.last[revision] = value
        if signature:
            self.signatures[revision] = signature.decode("ascii", "replace")
        if self._keys and (problem := self._problem(revision, value)) is not None:
            self.problems[revision] = problem

    def _problem(self, revision: str, value: bytes) -> str | None:
        problem = problem_of(value, self._trial, revision, self.signatures.get(revision), self._keys)
        if problem is not None:
            return problem
        with contextlib.suppress(RecordError):  # its reader reports it
            at_ms: int = own.read("verdict", value)["evaluated_at_ms"]
            newest = max(at_ms, self._newest.get(revision, at_ms))
            self._newest[revision] = newest
            return REPEATED if at_ms < newest else None
        return None


def problem_of(value: bytes, trial: str, revision: str, signature: str | None, keys: Sequence[str]) -> str | None:
    """Return why a record is not proven to be the judge's; None if one of the keys has signed it."""
    if not signature:
        return UNSIGNED
    expected = [signature_of(value, trial, revision, key) for key in keys]
    if any(hmac.compare_digest(one.encode(), signature.encode()) for one in expected):
        return None
    named = signature.split(",")[1:2]
    if named and named[0] not in map(key_id, keys):
        return "it is signed by another key than those of judge.signing_keys"
    return FORGED
