"""Access to the live page: loopback is open to this machine's own names, all else needs a token or a trusted proxy.

Every answer carries headers that keep a browser from loading, sending or framing anything else.
"""

import base64
import binascii
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote

from shadowstream.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "shadowstream-token"
TOKEN_CHARS_MIN, TOKEN_CHARS_MAX = 16, 256
_TOKEN = re.compile(rf"[\w-]{{{TOKEN_CHARS_MIN},{TOKEN_CHARS_MAX}}}", re.ASCII)
VERDICT_PATH, HOOKS_PATH = "/api/verdict", "/hooks/flagger/"
PATHS = ("/", "/trial/", "/_nicegui/", "/_nicegui_ws/", "/favicon.ico", "/healthz", VERDICT_PATH, HOOKS_PATH)
"""The paths that exist, and beginnings of them, which end in a slash; the library's other routes are closed."""
_BEGINNINGS = tuple(path for path in PATHS[1:] if path.endswith("/"))
_SOCKET = "/_nicegui_ws/"
_POLICY = (
    # NiceGUI starts itself by inline scripts and compiles its templates in the browser, so both stay allowed. Data
    # never reaches them: `live_table` sets texts. No other origin can be loaded, asked or framed.
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of access. `hosts`: names under which the page may be asked; empty: any. `token`: None if none is needed.
    `proxies`: networks of trusted proxies, whose requests count with a non-empty `proxy_header`. `gate_token` opens
    the gate for programs and nothing else; with `gate_only` there is no page."""

    hosts: frozenset[str] = frozenset()
    token: str | None = None
    proxies: tuple[Network, ...] = ()
    proxy_header: str | None = None
    gate_token: str | None = None
    gate_only: bool = False


LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def rules_of(
    host: str,
    token: str | None,
    proxies: tuple[str, ...],
    proxy_header: str | None,
    gate_token: str | None = None,
) -> Rules:
    """Return the rules for an address to listen on. Raises `ConfigError` where it would be open to other machines."""
    for name, given in (("token", token), ("gate's token", gate_token)):
        if given is not None and not _TOKEN.fullmatch(given):
            raise ConfigError(
                f"the {name} has {len(given)} characters; give {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} of A-Z, a-z, "
                "0-9, - and _"
            )
    if token is not None and token == gate_token:
        raise ConfigError("the page and its gate have one token; give the gate one of its own, which opens no page")
    if bool(proxies) != (proxy_header is not None):
        raise ConfigError(
            "--proxy and --proxy-header need each other: the proxy's address, and the header with the user"
        )
    try:
        networks = tuple(ipaddress.ip_network(one, strict=False) for one in proxies)
    except ValueError as error:
        raise ConfigError(
            f"--proxy: {error}; give an address or a network, for example 10.0.0.5 or 10.0.0.0/24"
        ) from error
    rules = Rules(frozenset(), token, networks, proxy_header, gate_token)
    if is_loopback(host):
        return rules if proxies else replace(rules, hosts=LOOPBACK_NAMES)
    if token is None and not networks:
        if gate_token is not None:
            return replace(rules, gate_only=True)
        raise ConfigError(
            f"--listen: {host} is reached from other machines, and the page shows values of records. Give --token-file "
            "or the variable SHADOWSTREAM_WEB_TOKEN, or --proxy with --proxy-header. For the gate and no page, give "
            "--gate-token-file or SHADOWSTREAM_GATE_TOKEN"
        )
    return rules


class Guard:
    """ASGI application that lets requests through to another by the rules, and adds `HEADERS` to each answer."""

    def __init__(self, app: Application, rules: Rules) -> None:
        self.app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._refuse(scope, refusal, _with_headers(send))

    async def _refuse(self, scope: Scope, refusal: int, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if refusal == 401 and "token" in query and not _is_gate(scope["path"]):
            await self._take_token(scope, query["token"][0], send)
        else:
            await _answer_refusal(scope["path"], refusal, send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> int | None:
        """Return the status of the refusal, None for a request that passes."""
        path, rules = scope["path"], self._rules
        if rules.hosts and host_name(headers.get("host", "")) not in rules.hosts:
            return 421  # another site's name leads here: a page of that site could read the answers
        is_method_free = scope["type"] != "http" or path.startswith(_SOCKET)
        if not is_method_free and scope["method"] not in _methods(path):
            return 405
        if path not in PATHS and not path.startswith(_BEGINNINGS):
            return 404
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            return 403
        if path == "/healthz" or self._is_proxied(scope, headers):
            return None
        is_gate = _is_gate(path)
        tokens = [one for one in (rules.token, rules.gate_token if is_gate else None) if one is not None]
        if not tokens:
            return 403 if rules.proxies or rules.gate_only else None
        return None if any(_equal(_token_in(headers), one) for one in tokens) else 401

    def _is_proxied(self, scope: Scope, headers: dict[str, str]) -> bool:
        rules, client = self._rules, scope.get("client")
        if rules.proxy_header is None or client is None or not headers.get(rules.proxy_header.lower()):
            return False
        try:
            address = ipaddress.ip_address(client[0])
        except ValueError:
            return False
        return any(address in network for network in rules.proxies)

    async def _take_token(self, scope: Scope, given: str, send: Send) -> None:
        """Turn the token of an address into a cookie, so that it does not stay in the address."""
        if self._rules.token is None or not _equal(given, self._rules.token):
            await _answer_refusal(scope["path"], 401, send)
            return
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{COOKIE}={given}; Path=/; HttpOnly; SameSite=Strict{secure}"
        more = ((b"location", quote(scope["path"]).encode()), (b"set-cookie", cookie.encode()))
        await _answer(send, 303, "", more)


_GATE_401 = "a token is needed: send the header Authorization: Bearer …"
_TEXTS = {
    401: "a token is needed: open this address once with ?token=… at its end",
    403: "not allowed",
    404: "there is no such page",
    405: "not allowed with this method",
    421: "ask for this page as localhost or 127.0.0.1",
}


def host_name(host: str) -> str:
    """Return the name in a Host header, without the port.

    >>> host_name("localhost:8787"), host_name("[::1]:80"), host_name("Example.org")
    ('localhost', '[::1]', 'example.org')
    """
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _is_gate(path: str) -> bool:
    return path == VERDICT_PATH or path.startswith(HOOKS_PATH)


def _methods(path: str) -> tuple[str, ...]:
    """Return the methods that a path answers. Flagger's client follows redirects by GET, so a webhook has none."""
    return ("POST",) if path.startswith(HOOKS_PATH) else ("GET", "HEAD")


def _token_in(headers: dict[str, str]) -> str:
    """Return the token of a request: as Bearer, as the password of Basic (`http://gate:TOKEN@…`), or in the cookie."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _with_headers(send: Send) -> Send:
    async def added(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in HEADERS}
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
            message = {**message, "headers": [*kept, *HEADERS]}
        await send(message)

    return added


async def _answer_refusal(path: str, status: int, send: Send) -> None:
    more = {401: ((b"www-authenticate", b"Bearer"),), 405: ((b"allow", ", ".join(_methods(path)).encode()),)}
    shown = _GATE_401 if status == 401 and _is_gate(path) else _TEXTS[status]
    await _answer(send, status, shown, more.get(status, ()))


async def _answer(send: Send, status: int, shown: str, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{shown}\n".encode() if shown else b""})
