"""Signatures of webhooks by the specification Standard Webhooks 1.0: three headers, HMAC-SHA256 of id, time, body."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

ID, TIME, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
_SCHEME = "v1"
_KEY_BYTES = range(24, 65)


def key_of(secret: str) -> bytes:
    """Return the key of a secret: the decoded base64 after `whsec_`, else the text itself.

    Raises `ValueError` for base64 that is none, or holds fewer than 24 or more than 64 bytes.

    >>> key_of("whsec_" + "QUFB" * 8), key_of("sixteen characters")
    (b'AAAAAAAAAAAAAAAAAAAAAAAA', b'sixteen characters')
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"after {PREFIX} it must be base64: {error}") from error
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"after {PREFIX} it must hold 24 to 64 bytes, and holds {len(key)}")
    return key


def signed_headers(name: str, body: bytes, at_s: int, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of a message that is sent at a time, with one signature for each secret."""
    id_ = name.replace(".", "%2E")  # the specification: an id with a full stop could move the border to the time
    signatures = [f"{_SCHEME},{_signature(id_, str(at_s), body, secret)}" for secret in secrets]
    return {ID: id_, TIME: str(at_s), SIGNATURE: " ".join(signatures)}


def problem_of(
    headers: Mapping[str, str], body: bytes, now_s: float, secrets: Sequence[str], tolerance_s: float
) -> str | None:
    """Return why a received message is not proven to be the sender's; None if it is.

    Names of headers count in any case. Raises `LookupError` where one is lacking, so that nothing can be checked.
    """
    given = {name.lower(): text.strip() for name, text in headers.items()}
    if lacking := [name for name in (ID, TIME, SIGNATURE) if not given.get(name)]:
        raise LookupError(f"the message has no header {', '.join(lacking)}")
    if not given[TIME].isdecimal():
        return f"{TIME} is no number of seconds"
    age_s = now_s - int(given[TIME])
    if abs(age_s) > tolerance_s:
        when = "old" if age_s > 0 else "ahead of this machine's clock"
        return f"it is {abs(age_s):.0f} s {when}; at most {tolerance_s:g} s count"
    for one in given[SIGNATURE].split():
        scheme, _, signature = one.partition(",")
        for secret in secrets:
            expected = _signature(given[ID], given[TIME], body, secret)
            if scheme == _SCHEME and hmac.compare_digest(expected.encode(), signature.encode()):
                return None
    return "no signature fits id, time and body"


def _signature(id_: str, at_s: str, body: bytes, secret: str) -> str:
    signed = hmac.new(key_of(secret), f"{id_}.{at_s}.".encode() + body, hashlib.sha256)
    return base64.b64encode(signed.digest()).decode()
