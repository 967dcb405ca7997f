"""The gate for programs that release: `/api/verdict`, and the webhooks of Flagger.

Every answer that is not a proven decision has the decision `not_yet`, whatever its status, so that no reader takes a
failure for a promote. One read of a trial's topics serves all requests of a moment.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from shadowstream.errors import ConfigError, ShadowstreamError
from shadowstream.logs import get_logger
from shadowstream.web.access import HOOKS_PATH, VERDICT_PATH

log = get_logger("web")
FRESH_S = 2.0
"""Age at which a read of the topics serves no further request."""
WAIT_S = 8.0
"""Longest wait for the cluster: less than the 10 s after which Argo Rollouts and Flagger give up."""
BODY_BYTES_MAX = 65_536
NAMES = ("trial", "revision", "max_age")
"""Parameters of a question, in the query or in the metadata of a webhook."""
HOOKS = {"confirm-rollout": "promote", "confirm-promotion": "promote", "rollback": "reject"}
"""Flagger's webhooks by name, and the only decision to which each answers yes. A yes to `rollback` rolls back."""
Facts = dict[str, Any]
Evidence = TypeVar("Evidence")


class Refused(Exception):
    """A question without an answer: an HTTP status, the reason, and the exit code that a command would have."""

    def __init__(self, status: int, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.status, self.reason, self.exit_code = status, reason, exit_code


@dataclass(slots=True)
class ReleaseGate(Generic[Evidence]):
    """The gate of one trial. `read` reads the trial's topics and waits for the broker. `answer` takes what was read, a
    revision and a maximum age, None for the trial's own, and returns the facts of the answer. Both raise errors of
    shadowstream; `ConfigError` of `answer` is a fault of the question."""

    name: str
    read: Callable[[], Evidence]
    answer: Callable[[Evidence, str | None, str | None], Facts]
    _last: Future[Evidence] | None = field(default=None, init=False)
    _began: float = field(default=0.0, init=False)

    async def ask(self, revision: str | None, max_age: str | None) -> Facts:
        """Return the facts of the answer. Raises `Refused`. At most one read is in progress, in a thread."""
        if self._last is None or (self._last.done() and time.monotonic() - self._began > FRESH_S):
            self._last, self._began = Future(), time.monotonic()
            threading.Thread(target=self._fill, args=[self._last], name=f"gate {self.name}", daemon=True).start()
        waiting = asyncio.wrap_future(self._last)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # a late error has no reader
        await asyncio.wait([waiting], timeout=WAIT_S)
        if not waiting.done():
            raise Refused(503, f"the cluster has not answered within {WAIT_S:g} s; ask again", 1)
        try:
            evidence = waiting.result()
        except ConfigError as error:
            raise Refused(409, str(error), 2) from error
        except ShadowstreamError as error:
            raise Refused(503, str(error), 1) from error
        try:
            return self.answer(evidence, revision, max_age)
        except ConfigError as error:
            raise Refused(400, str(error), 2) from error
        except ShadowstreamError as error:
            raise Refused(500, str(error), 1) from error

    def _fill(self, future: Future[Evidence]) -> None:
        try:
            found = self.read()
        except Exception as error:  # noqa: BLE001 - each request that waits for it answers by it
            if not isinstance(error, ShadowstreamError):
                log.error("look_failed", trial=self.name, error=repr(error)[:500])
                error = ShadowstreamError("shadowstream failed to read the trial; its log has the reason")
            future.set_exception(error)
        else:
            future.set_result(found)


def add_routes(application: FastAPI, gates: Mapping[str, ReleaseGate[Any]]) -> None:
    """Add `/api/verdict` and `/hooks/flagger/…` for these trials."""

    async def verdict(request: Request) -> Response:
        try:
            found = await _ask(gates, request.query_params.multi_items())
        except Refused as refused:
            body = {"decision": "not_yet", "reasons": [refused.reason], "exit_code": refused.exit_code}
            return JSONResponse(body, refused.status, {"cache-control": "no-store"})
        tag = _etag(found)
        headers = {"cache-control": "private, no-cache", "etag": tag}
        if _is_known(tag, request.headers.getlist("if-none-match")):
            return Response(status_code=304, headers=headers)
        return Response(orjson.dumps(found), headers=headers, media_type="application/json")

    async def flagger(request: Request) -> Response:
        wanted = HOOKS.get(request.path_params["hook"])
        try:
            if wanted is None:
                raise Refused(404, f"there is no such webhook; there are {', '.join(HOOKS)}", 2)
            found = await _ask(gates, await _metadata(request))
        except Refused as refused:
            # Of a 5xx, Flagger's client drops the reason and writes the address, with the token, into its error.
            return _text(409 if refused.status >= 500 else refused.status, "not_yet", [refused.reason])
        return _text(200 if found["decision"] == wanted else 409, found["decision"], found["reasons"])

    application.add_api_route(VERDICT_PATH, verdict, methods=["GET", "HEAD"])
    application.add_api_route(HOOKS_PATH + "{hook}", flagger, methods=["POST"])


async def _ask(gates: Mapping[str, ReleaseGate[Any]], given: Iterable[tuple[str, str]]) -> Facts:
    asked: dict[str, str] = {}
    for name, text in given:
        if name not in NAMES or name in asked:
            unknown = "given twice" if name in asked else "unknown"
            raise Refused(400, f"{name[:100]!r} is {unknown}; there are {', '.join(NAMES)}", 2)
        asked[name] = text
    trial = asked.get("trial")
    if trial is None and len(gates) > 1:
        raise Refused(400, f"give the trial: one of {', '.join(sorted(gates))}", 2)
    gate = next(iter(gates.values())) if trial is None else gates.get(trial)
    if gate is None:
        raise Refused(404, f"trial {trial!r:.100} is unknown; there are {', '.join(sorted(gates))}", 2)
    return await gate.ask(asked.get("revision"), asked.get("max_age"))


async def _metadata(request: Request) -> list[tuple[str, str]]:
    """Return the metadata of a webhook's body. Raises `Refused` for a body that is not Flagger's, or too large."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_BYTES_MAX:
            raise Refused(413, f"the body has more than {BODY_BYTES_MAX:,} bytes", 2)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not JSON: {error}", 2) from error
    metadata = (body.get("metadata") or {}) if isinstance(body, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise Refused(400, "the body is not a JSON object whose metadata are texts by name", 2)
    return list(metadata.items())


def _etag(found: Facts) -> str:
    """Return a weak tag of all facts but the age, which changes with each request."""
    lasting = {name: content for name, content in found.items() if name != "age_s"}
    return f'W/"{hashlib.sha256(orjson.dumps(lasting)).hexdigest()[:32]}"'


def _is_known(tag: str, given: Sequence[str]) -> bool:
    """Return whether a header If-None-Match holds the tag, compared weakly (RFC 9110)."""
    known = {one.strip().removeprefix("W/") for line in given for one in line.split(",")}
    return "*" in known or tag.removeprefix("W/") in known


def _text(status: int, decision: str, reasons: Sequence[str]) -> Response:
    """Return an answer that Flagger shows as the error of its webhook."""
    lines = [decision.replace("_", " "), *reasons]
    return PlainTextResponse("\n".join(lines) + "\n", status, {"cache-control": "no-store"})
