"""Masking of secrets: the names that hold secrets, and values without them."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_DEPTH_MAX = 16
_SECRET = re.compile(
    r"(?:^|[._-])sasl[._-]"  # the mechanism is no secret, but a single rule is easier to trust
    r"|(?:^|[._-])ssl[._-]key(?:[._-]|$)"
    r"|passw(?:or)?d|passphrase|secret|credential|token|api[._-]?key|private[._-]?key|commands[._-]?key|signing[._-]?keys?|authorization|user[._-]info"
    r"|(?:^|[._-])(?:webhook|alertmanager|apprise)(?:[._-]|$)",  # the address often serves as the password
    re.IGNORECASE,
)
# To the last @: a password may hold an @ or a slash that its writer did not escape.
_USERINFO = re.compile(r"(?<=://)\S+(?=@)")


def is_secret(name: str) -> bool:
    """Return whether values under a name are secret: ``sasl.*``, ``ssl.key.*``, passwords, tokens and similar.

    >>> is_secret("sasl.password"), is_secret("ssl.key.location"), is_secret("ssl.keystore.password")
    (True, True, True)
    >>> is_secret("bootstrap.servers"), is_secret("key"), is_secret("security.protocol")
    (False, False, False)
    """
    return _SECRET.search(name) is not None


def without_userinfo(text: str) -> str:
    """Mask the user and password of every URL in a text, and all of it up to its last @.

    >>> without_userinfo("http://me:hunter2@registry:8081/x")
    'http://***@registry:8081/x'
    >>> without_userinfo("http://me:p@ss/word@registry:8081/x")
    'http://***@registry:8081/x'
    """
    return _USERINFO.sub(MASK, text) if "://" in text else text


def masked(value: Any, *, depth: int = 0) -> Any:
    """Return a copy of mappings, lists and scalars in which secret values are ``***``; None and empty ones stay.

    >>> masked({"client": {"sasl.password": "hunter2", "client.id": "a"}})
    {'client': {'sasl.password': '***', 'client.id': 'a'}}
    """
    if isinstance(value, str):
        return without_userinfo(value)
    if depth > _DEPTH_MAX and isinstance(value, Mapping | list | tuple):
        return MASK
    if isinstance(value, Mapping):
        return {name: _masked_item(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, depth=depth + 1) for item in value]
    return value


def _masked_item(name: str, item: Any, depth: int) -> Any:
    if is_secret(name) and item not in (None, [], {}):  # these hold none
        return MASK
    if name == "headers" and isinstance(item, Mapping):  # of requests: any of them may be a key of access
        return dict.fromkeys(item, MASK)
    return masked(item, depth=depth)
