"""The properties that `schemas.client` accepts, by the names of the schema registry's client.

It is an allow list: the client also takes functions, proxies and caches, which are not the operator's to set here.
"""

import difflib
from collections.abc import Mapping

TEXTS = frozenset(
    (
        "basic.auth.user.info",
        "bearer.auth.client.id",
        "bearer.auth.client.secret",
        "bearer.auth.credentials.source",
        "bearer.auth.identity.pool.id",
        "bearer.auth.issuer.endpoint.url",
        "bearer.auth.logical.cluster",
        "bearer.auth.scope",
        "bearer.auth.token",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
    )
)
SOURCES = {
    "STATIC_TOKEN": ("bearer.auth.token",),
    "OAUTHBEARER": (
        "bearer.auth.client.id",
        "bearer.auth.client.secret",
        "bearer.auth.scope",
        "bearer.auth.issuer.endpoint.url",
    ),
}
"""Sources of bearer tokens, with the properties that each needs."""
_SOURCE = "bearer.auth.credentials.source"


def checked(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the properties if the client can use them together. Raises `ValueError` that names the wrong one."""
    for name in properties:
        if name not in TEXTS:
            close = difflib.get_close_matches(name, TEXTS, n=1, cutoff=0.8)
            hint = f"did you mean {close[0]!r}?" if close else f"they are {', '.join(sorted(TEXTS))}"
            raise ValueError(f"{name} is no property that can be set here; {hint}")
    bearer = sorted(name for name in properties if name.startswith("bearer."))
    source = properties.get(_SOURCE)
    if bearer and source not in SOURCES:
        raise ValueError(f"{_SOURCE} must be {' or '.join(SOURCES)} with {bearer[0]}")
    if lacking := [name for name in SOURCES.get(source or "", ()) if name not in properties]:
        raise ValueError(f"{_SOURCE} {source} needs {', '.join(lacking)}")
    if bearer and "basic.auth.user.info" in properties:
        raise ValueError("basic.auth.user.info and bearer.auth exclude each other; remove one")
    if ("ssl.key.location" in properties) > ("ssl.certificate.location" in properties):
        raise ValueError("ssl.key.location needs ssl.certificate.location")
    return dict(properties)
