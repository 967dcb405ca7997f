"""A model server process of the tests: `python -m tests.model_server.scripted_server [CERTIFICATE KEY AUTHORITY]`.

It doubles the numbers of tensor `x`, by the Open Inference Protocol v2 and by plain JSON, and does what the records'
`act` demands. Its first line is its port. `POST /state` with {"away": true} takes it away; `GET /state` has counts.
"""

import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "/v2/models/doubling"
SLOW_S = 30.0
STATUSES = {"refuse": 422, "breaks": 500, "denied": 401, "redirects": 307, "busy": 503}
LONG = "x" * 5_000


class State:
    """What the requests share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.away = False
        self.now = self.at_once = 0
        self.batches: list[int] = []
        self.tries: Counter[str] = Counter()
        self.headers: dict[str, str] = {}


STATE = State()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        del format, args

    def do_GET(self) -> None:
        if self.path == "/state":
            self.answer(200, {name: value for name, value in vars(STATE).items() if name != "lock"})
        else:
            known = self.path in (f"{MODEL}/ready", f"{MODEL}/versions/7/ready", "/ready")
            self.answer((503 if STATE.away else 200) if known else 404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/state":
            STATE.away = body["away"]
            self.answer(200, {})
            return
        is_oip = self.path.endswith("/infer")
        records = of_tensors(body) if is_oip else body if isinstance(body, list) else [body]
        with STATE.lock:
            STATE.batches.append(len(records))
            STATE.headers = dict(self.headers)
        for record in records:
            if self.acts(str(record.get("act")), record):
                return
        if STATE.away:
            self.answer(503, {"error": "away"})
        elif not is_oip:
            answers: list[Any] = [None if r.get("act") == "silent" else {"y": 2 * r["x"]} for r in records]
            self.answer(200, answers if isinstance(body, list) else answers[0])
        elif self.path.startswith(MODEL):
            self.answer(200, of_records(records, body))
        else:
            self.answer(404, {"error": "unknown model"})

    def acts(self, act: str, record: dict[str, Any]) -> bool:
        """Do what a record demands; return whether that was an answer."""
        if act in STATUSES:
            self.answer(STATUSES[act], {"error": f"{act} {record['x']} {LONG}"}, {"Location": "/elsewhere"})
        elif act == "slow":
            time.sleep(SLOW_S)
        elif act == "waits":
            with STATE.lock:
                STATE.now += 1
                STATE.at_once = max(STATE.at_once, STATE.now)
            time.sleep(0.05)
            with STATE.lock:
                STATE.now -= 1
            return False
        elif act in ("busy twice", "cut twice"):
            STATE.tries[act] += 1
            if STATE.tries[act] > 2:
                return False
            if act == "busy twice":
                self.answer(503, {"error": "starts"})
            else:
                self.close_connection = True
        elif act.startswith("Bearer ") and self.headers["Authorization"] != act:
            self.answer(401, {})
        elif act in BODIES:
            BODIES[act](self)
        else:
            return False
        return True

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def raw(self, head: dict[str, str], body: bytes) -> None:
        self.send_response(200)
        for name, value in head.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


def endless(handler: Handler) -> None:
    handler.raw({}, b"[")
    while True:
        handler.wfile.write(b"1," * 50_000)


def dripping(handler: Handler) -> None:
    handler.raw({}, b"[")
    for _ in range(600):
        time.sleep(0.05)
        handler.wfile.write(b"1,")


BODIES: dict[str, Callable[[Handler], None]] = {
    "garbage": lambda handler: handler.raw({"Content-Length": "8"}, b"{]\xff\x00<<>>"),
    "no outputs": lambda handler: handler.answer(200, {"outputs": None, "answers": []}),
    "cut": lambda handler: handler.raw({"Content-Length": "100"}, b'{"outputs": ['),
    "closes": lambda handler: setattr(handler, "close_connection", True),
    "announces much": lambda handler: handler.raw({"Content-Length": "9000000000"}, b"["),
    "compressed": lambda handler: handler.raw({"Content-Encoding": "gzip", "Content-Length": "4"}, b"\x1f\x8b\x08\x00"),
    "endless": endless,
    "drips": dripping,
}


def of_tensors(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of a request, if it has exactly the tensors that the model takes."""
    x, act = body["inputs"]
    count = x["shape"][0]
    assert (x["name"], x["datatype"], x["shape"], len(x["data"])) == ("x", "FP64", [count, 1], count), x
    assert (act["name"], act["datatype"], act["shape"]) == ("act", "BYTES", [count, 1]), act
    assert body["outputs"] == [{"name": "y"}]
    return [{"x": number, "act": text} for number, text in zip(x["data"], act["data"], strict=True)]


def of_records(records: list[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request; nested data, as the protocol allows, where its parameters ask for it."""
    doubled = [2 * record["x"] for record in records]
    nested = body.get("parameters", {}).get("nested")
    data = [[number] for number in doubled] if nested else doubled
    tensor = {"name": "y", "shape": [len(records), 1], "datatype": "FP64", "data": data}
    return {"model_name": "doubling", "model_version": "7", "outputs": [tensor]}


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if sys.argv[1:]:
        certificate, key, authority = sys.argv[1:]
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
