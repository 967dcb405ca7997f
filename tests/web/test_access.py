"""Access to the live page: what passes, and what each refusal is. The guard is called as a server calls it."""

import asyncio
import base64
from collections.abc import MutableMapping
from typing import Any, NamedTuple

import pytest

from shadowstream.errors import ConfigError
from shadowstream.web.access import COOKIE, HEADERS, Guard, Rules, rules_of

TOKEN = "a-token-of-20-digits"
LOOPBACK = rules_of("127.0.0.1", None, (), None)
WITH_TOKEN = rules_of("0.0.0.0", TOKEN, (), None)
GATE_TOKEN = "gate-token-20-digits"
WITH_GATE = rules_of("0.0.0.0", TOKEN, (), None, GATE_TOKEN)
GATE_ONLY = rules_of("0.0.0.0", None, (), None, GATE_TOKEN)
GATE_PATHS = {"/api/verdict": "GET", "/hooks/flagger/confirm-promotion": "POST", "/hooks/flagger/rollback": "POST"}
PAGE_PATHS = ("/", "/trial/fraud", "/_nicegui/static/x.js")
WITH_PROXY = rules_of("0.0.0.0", None, ("10.0.0.0/24",), "X-Forwarded-User")


class Answer(NamedTuple):
    """A status, the code of a closed socket, and headers. Status 0: a socket that was let through."""

    status: int
    headers: dict[str, str]


def ask(rules: Rules, path: str = "/", kind: str = "http", client: str = "10.0.0.9", **more: Any) -> Answer:
    sent: list[MutableMapping[str, Any]] = []
    headers = {"host": "localhost:8787", **more.pop("headers", {})}
    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "query_string": b"",
        "client": (client, 5),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        **more,
    }

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if kind == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"ALLOW")]})
        else:
            await send({"type": "websocket.accept"})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Guard(app, rules)(scope, None, send))  # type: ignore[arg-type]  # nothing is received
    first = sent[0]
    if first["type"].startswith("websocket"):
        return Answer(first.get("code", 0), {})
    return Answer(first["status"], {name.decode(): value.decode() for name, value in first["headers"]})


def test_on_loopback_only_names_of_this_machine_are_answered() -> None:
    for host in ("localhost:8787", "127.0.0.1:8787", "[::1]:8787", "LOCALHOST"):
        assert ask(LOOPBACK, headers={"host": host}).status == 200
    # A site whose name leads here could read the answers with the visitor's browser.
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8787", ""):
        assert ask(LOOPBACK, headers={"host": host}).status == 421
        assert ask(LOOPBACK, "/_nicegui_ws/socket.io", "websocket", headers={"host": host}).status == 1008


def test_pages_of_other_origins_are_refused() -> None:
    own = {"origin": "http://localhost:8787"}
    assert ask(LOOPBACK, "/_nicegui_ws/socket.io", "websocket", headers=own).status == 0
    for origin in ("http://evil.example", "null", "http://localhost:9999"):
        assert ask(LOOPBACK, "/_nicegui_ws/socket.io", "websocket", headers={"origin": origin}).status == 1008
        assert ask(LOOPBACK, headers={"origin": origin}).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_no_method_that_could_change_anything_is_answered(method: str) -> None:
    for path in ("/", "/trial/fraud", "/_nicegui/upload"):
        assert ask(LOOPBACK, path, method=method).status == 405


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/_nicegui", "//evil.example", "/trial", "/../etc/passwd"])
def test_paths_that_the_page_does_not_have_are_closed(path: str) -> None:
    assert ask(LOOPBACK, path).status == 404


def test_every_answer_carries_the_headers_and_an_applications_own_do_not_win() -> None:
    for answer in (ask(LOOPBACK), ask(LOOPBACK, "/docs"), ask(WITH_TOKEN)):
        assert {name.decode(): value.decode() for name, value in HEADERS}.items() <= answer.headers.items()
    policy = ask(LOOPBACK).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy, "no other origin"


def test_elsewhere_the_token_is_needed_in_a_header_or_cookie() -> None:
    assert ask(WITH_TOKEN).status == 401
    assert ask(WITH_TOKEN, headers={"authorization": f"Bearer {TOKEN}"}).status == 200
    assert ask(WITH_TOKEN, headers={"cookie": f"other=1; {COOKIE}={TOKEN}"}).status == 200
    for headers in (
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer "},
        {"cookie": f"{COOKIE}={TOKEN}x"},
        {"cookie": "=;;\x00"},
        {"x-forwarded-user": "ada"},
    ):
        assert ask(WITH_TOKEN, headers=headers).status == 401
        assert ask(WITH_TOKEN, "/_nicegui_ws/socket.io", "websocket", headers=headers).status == 1008


def test_a_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read() -> None:
    taken = ask(WITH_TOKEN, "/trial/fraud", query_string=f"token={TOKEN}".encode())
    assert (taken.status, taken.headers["location"]) == (303, "/trial/fraud")
    assert taken.headers["set-cookie"] == f"{COOKIE}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert ask(WITH_TOKEN, query_string=b"token=wrong").status == 401
    split = ask(WITH_TOKEN, "/trial/a\r\nset-cookie: b", query_string=f"token={TOKEN}".encode())
    assert "\n" not in split.headers["location"]


def credentials(token: str) -> list[dict[str, str]]:
    basic = base64.b64encode(f"gate:{token}".encode()).decode()
    return [
        {"authorization": f"Bearer {token}"},
        {"authorization": f"Basic {basic}"},
        {"cookie": f"{COOKIE}={token}"},
    ]


@pytest.mark.parametrize("path", GATE_PATHS)
def test_the_gates_token_opens_the_gate_and_no_page(path: str) -> None:
    for rules in (WITH_GATE, GATE_ONLY):
        for headers in credentials(GATE_TOKEN):
            assert ask(rules, path, method=GATE_PATHS[path], headers=headers).status == 200
            for page in PAGE_PATHS:
                assert ask(rules, page, headers=headers).status == (401 if rules is WITH_GATE else 403)
            socket = ask(rules, "/_nicegui_ws/socket.io", "websocket", headers=headers)
            assert socket.status == 1008
        for headers in ({}, *credentials(GATE_TOKEN[:-1]), *credentials("")):
            assert ask(rules, path, method=GATE_PATHS[path], headers=headers).status == 401
        # A redirect would turn a webhook's POST into a GET, and a token in an address ends in logs.
        given = ask(rules, path, method=GATE_PATHS[path], query_string=f"token={GATE_TOKEN}".encode())
        assert (given.status, given.headers["www-authenticate"]) == (401, "Bearer")
    for headers in credentials(TOKEN):
        assert ask(WITH_GATE, path, method=GATE_PATHS[path], headers=headers).status == 200


@pytest.mark.parametrize("path", GATE_PATHS)
def test_without_a_token_the_gate_is_as_open_as_the_page(path: str) -> None:
    method = GATE_PATHS[path]
    assert ask(LOOPBACK, path, method=method).status == 200
    assert ask(LOOPBACK, path, method=method, headers={"host": "evil.example"}).status == 421
    assert ask(LOOPBACK, path, method=method, headers={"origin": "http://evil.example"}).status == 403
    assert ask(WITH_TOKEN, path, method=method).status == 401
    assert ask(WITH_PROXY, path, method=method).status == 403
    assert ask(WITH_PROXY, path, method=method, headers={"x-forwarded-user": "ada"}).status == 200


def test_a_page_of_this_machine_stays_open_beside_a_closed_gate() -> None:
    rules = rules_of("127.0.0.1", None, (), None, GATE_TOKEN)
    assert ask(rules).status == 200
    assert ask(rules, "/api/verdict").status == 401


def test_a_webhook_answers_post_only_and_all_else_no_post() -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        refused = ask(LOOPBACK, "/hooks/flagger/rollback", method=method)
        assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert ask(LOOPBACK, "/api/verdict", method="POST").headers["allow"] == "GET, HEAD"
    for path in ("/api", "/api/verdicts", "/hooks", "/hooks/other/rollback"):
        assert ask(LOOPBACK, path).status == 404, path


def test_a_proxy_is_trusted_by_its_address_and_only_with_a_user() -> None:
    user = {"x-forwarded-user": "ada"}
    assert ask(WITH_PROXY, headers=user).status == 200
    assert ask(WITH_PROXY, headers={}).status == 403
    assert ask(WITH_PROXY, headers={"x-forwarded-user": ""}).status == 403
    assert ask(WITH_PROXY, client="10.0.1.9", headers=user).status == 403
    assert ask(WITH_PROXY, client="10.0.1.9", headers={**user, "x-forwarded-for": "10.0.0.9"}).status == 403


def test_health_is_answered_without_a_token() -> None:
    assert ask(WITH_TOKEN, "/healthz").status == 200


@pytest.mark.parametrize(
    ("host", "token", "proxies", "header", "says"),
    [
        ("0.0.0.0", None, (), None, "--token-file"),
        ("page.example", None, (), None, "--token-file"),
        ("0.0.0.0", "short", (), None, "16"),
        ("0.0.0.0", "a token with spaces;", (), None, "A-Z"),
        ("127.0.0.1", "", (), None, "16"),
        ("0.0.0.0", None, ("10.0.0.5",), None, "--proxy-header"),
        ("0.0.0.0", None, (), "X-User", "--proxy"),
        ("0.0.0.0", None, ("ten",), "X-User", "10.0.0.5"),
    ],
)
def test_rules_that_leave_the_page_open_are_refused(
    host: str, token: str | None, proxies: tuple[str, ...], header: str | None, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        rules_of(host, token, proxies, header)


def test_the_gate_needs_a_token_other_than_the_pages() -> None:
    with pytest.raises(ConfigError, match="one of its own"):
        rules_of("0.0.0.0", TOKEN, (), None, TOKEN)
    with pytest.raises(ConfigError, match="gate's token has 5 characters"):
        rules_of("0.0.0.0", TOKEN, (), None, "short")
