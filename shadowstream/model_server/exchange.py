"""Requests to one address, bounded in time and in bytes, tried again only where that can help.

Redirects are not followed and proxies of the environment are not used, so that a request goes to the configured host
and port or nowhere. Compressed answers are refused: a few bytes of one can take gigabytes.
"""

import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError, TimeoutError

from shadowstream.model_server.failures import Disputed, Failed, Late, Refusal, ServerAway, Unusable
from shadowstream.model_server.settings import Settings

RETRIED = frozenset((429, 502, 503, 504))
"""Statuses by which a server, or a proxy before it, asks for a later try."""
REFUSED = frozenset((401, 403, 407))
"""Statuses that concern the credentials, and so every record."""
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
CONNECT_S = 5.0
READY_S = 2.0
REASON_BYTES_MAX = 2_000
REASON_CHARS_MAX = 150
_CHUNK = 1 << 16


class Answer(NamedTuple):
    """Status and body of an answer; of one without success only the beginning of the body."""

    status: int
    body: bytes


class Exchange:
    """Connections to the server of one config, for several threads."""

    def __init__(self, settings: Settings) -> None:
        http = settings.http
        parts, (host, port) = urlsplit(http.url), http.address
        self._path = parts.path.rstrip("/") if http.protocol == "oip" else parts.path or "/"
        self._retries = http.retries
        self._ready = _path_of_ready(settings)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", **settings.headers}
        if parts.scheme == "https":
            context = _context(settings)
            self._pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
                host, port, maxsize=http.concurrency, retries=False, ssl_context=context
            )
        else:
            self._pool = urllib3.HTTPConnectionPool(host, port, maxsize=http.concurrency, retries=False)

    def post(self, path: str, body: bytes, bytes_max: int, limit_s: float) -> bytes:
        """Return the body of the answer to a POST. Raises `Failed` or, if nothing can answer, `ServerAway`."""
        ends, problem, away = time.monotonic() + limit_s, "no time for it", True
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(max(0.0, min(PAUSES_S[min(attempt, len(PAUSES_S)) - 1], ends - time.monotonic())))
            if (left_s := ends - time.monotonic()) <= 0:
                break
            try:
                answer = self._once(("POST", self._path + path), body, bytes_max, left_s)
            except (NewConnectionError, ConnectTimeoutError, SSLError) as error:
                problem, away = _text(error), True
                continue
            except TimeoutError as error:
                raise Late(f"NoAnswer: none within candidate.timeout_ms: {round(limit_s * 1000)}") from error
            except HTTPError as error:
                problem, away = f"ConnectionLost: {_text(error)}", False
                continue
            if answer.status not in RETRIED:
                return self._accepted(answer)
            problem, away = _status(answer), False
        if away:
            raise ServerAway(f"no connection: {problem}")
        raise Disputed(problem)

    def check_ready(self, in_doubt: bool) -> None:
        """Return if the server is ready. Raises `ServerAway` if it is not; without a path that tells, if `in_doubt`."""
        if self._ready is None:
            if not in_doubt:
                return
            raise ServerAway("candidate.http.ready names no path, so it is taken as away")
        try:
            answer = self._once(("GET", self._ready), None, REASON_BYTES_MAX, READY_S)
        except (HTTPError, Failed) as error:
            raise ServerAway(f"not ready at {self._ready}: {_text(error)}") from error
        if answer.status // 100 != 2:
            raise ServerAway(f"not ready: status {answer.status} of {self._ready}")

    def _accepted(self, answer: Answer) -> bytes:
        status = answer.status
        if status // 100 == 2:
            return answer.body
        if status // 100 == 3:
            raise ServerAway(f"status {status}: a redirect is not followed; write the final address into http.url")
        if status in REFUSED:
            raise ServerAway(f"status {status}: it refuses the credentials; look at http.headers and http.tls")
        raise Refusal(_status(answer))

    def _once(self, what: tuple[str, str], body: bytes | None, bytes_max: int, limit_s: float) -> Answer:
        method, path = what
        ends = time.monotonic() + limit_s
        headers = {**self._headers, "Content-Type": "application/json"} if body is not None else self._headers
        response = self._pool.urlopen(
            method,
            path,
            body,
            headers,
            redirect=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_S, limit_s), read=limit_s),
            preload_content=False,
            decode_content=False,
        )
        try:
            return Answer(response.status, _body(response, bytes_max, ends))
        except BaseException:
            response.close()  # what is left on the connection must not be taken for the next answer
            raise


def _body(response: urllib3.BaseHTTPResponse, bytes_max: int, ends: float) -> bytes:
    """Read the body of an answer: no more than its bound, before memory is taken for it."""
    useful = response.status // 100 == 2
    limit = bytes_max if useful else REASON_BYTES_MAX
    if useful:
        _check_head(response.headers, limit)
    data = bytearray()
    while len(data) <= limit:
        chunk = response.read1(_CHUNK)
        if not chunk:
            response.release_conn()
            return bytes(data)
        data += chunk
        if time.monotonic() >= ends:
            raise TimeoutError("the answer takes too long")
    if useful:
        raise Unusable(f"longer than {limit} bytes")
    response.close()
    return bytes(data[:limit])


def _check_head(headers: Mapping[str, str], limit: int) -> None:
    length, encoding = headers.get("Content-Length", ""), headers.get("Content-Encoding", "identity")
    if length.isdigit() and int(length[:20]) > limit:
        raise Unusable(f"{length[:20]} bytes; at most {limit} are read")
    if encoding.lower() != "identity":
        raise Unusable(f"compressed ({encoding[:20]}), which was not asked for")


def _status(answer: Answer) -> str:
    reason = " ".join(answer.body.decode("utf-8", "replace").split())[:REASON_CHARS_MAX]
    return f"HttpStatus{answer.status}: {reason}"


def _text(error: Exception) -> str:
    """Return the text of an error without the address of the pool's object."""
    return str(error).rpartition("object at ")[2].partition(">: ")[2] or str(error)


def _path_of_ready(settings: Settings) -> str | None:
    http, path = settings.http, urlsplit(settings.http.url).path.rstrip("/")
    if http.ready is not None:
        return http.ready
    return f"{path}{settings.model_path}/ready" if http.protocol == "oip" else None


def _context(settings: Settings) -> ssl.SSLContext:
    """Return the context of TLS. The certificate's files are in the scratch folder only until they are read."""
    authorities = settings.authorities
    context = ssl.create_default_context(cadata=authorities.decode("ascii") if authorities is not None else None)
    if settings.certificate is not None:
        file, name = tempfile.mkstemp(suffix=".pem")  # private to this user
        try:
            with os.fdopen(file, "wb") as written:
                written.write(settings.certificate)
            context.load_cert_chain(name)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)
    return context
