"""Sealed state: the JSON of a detector with its kind, version, parameters and a digest.

Nothing is pickled, because reading a pickle from a topic would run any code that it holds.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shadowstream.errors import ConfigError

VERSION = 1


class StateRefused(ConfigError):
    """Refusal of a stored state that does not fit its detector.

    The caller starts the detector anew and reports it in an event.
    """


def sealed(kind: str, params: Mapping[str, Any], **state: Any) -> dict[str, Any]:
    body = {"kind": kind, "version": VERSION, "params": dict(params), **state}
    return body | {"sha256": _digest(body)}


def unsealed(kind: str, params: Mapping[str, Any], snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    body = {name: item for name, item in snapshot.items() if name != "sha256"}
    if body.get("kind") != kind or body.get("version") != VERSION:
        raise StateRefused(
            f"{kind}: this is a state of {body.get('kind')!r} in version {body.get('version')!r}, wanted {kind!r} in "
            f"version {VERSION}; restart the detector"
        )
    if snapshot.get("sha256") != _digest(body):
        raise StateRefused(
            f"{kind}: the state does not have the digest it claims, so it is damaged; restart the detector"
        )
    if body["params"] != dict(params):
        raise StateRefused(
            f"{kind}: the state belongs to the parameters {body['params']}, now they are {dict(params)}; "
            "restart the detector"
        )
    return body


def _digest(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
