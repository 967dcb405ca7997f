"""A candidate that does harm on the inputs whose `act` names it, and answers all others."""

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

MEGABYTE = b"x" * 1_000_000
ANSWER = {"id": 1, "score": 1.0}


def exits() -> None:
    os._exit(0)


def segfaults() -> None:
    ctypes.string_at(0)


def kills_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kills_the_runner() -> None:
    os.kill(os.getppid(), signal.SIGKILL)


def forks_for_ever() -> None:
    while True:
        os.fork()


def takes_all_memory() -> None:
    held = []
    while True:
        held.append(bytearray(MEGABYTE))


def loops_for_ever() -> None:
    while True:
        pass


def prints() -> None:
    for _ in range(20):
        os.write(1, MEGABYTE)


def prints_a_gigabyte() -> None:
    for _ in range(1_000):
        os.write(1, MEGABYTE)


def closes_the_pipe() -> None:
    os.closerange(3, 256)


def _forges(message: bytes) -> None:
    for descriptor in range(3, 1_024):
        try:
            socket.socket(fileno=os.dup(descriptor)).sendall(len(message).to_bytes(8, "little") + message)
        except OSError:
            continue


def forges_an_answer() -> None:
    _forges(b"\x92\x80\xc1\xc1")


def forges_an_infinite_cost() -> None:
    _forges(msgpack.packb([["done", [float("inf")], []], [1.0]]))


def claims_lists_in_lists() -> None:
    _forges(msgpack.packb([["done", [], []], []])[:-1] + (b"\xdd" + (1_900_000).to_bytes(4)) * 380_000)


def sends_no_last_part() -> None:
    while True:
        _forges(msgpack.packb([["some", [], []], []]))
        time.sleep(0.05)


def connects() -> None:
    socket.create_connection(("127.0.0.1", 9), 1)


def writes_a_file() -> None:
    Path(__file__).with_name("written_by_the_candidate").write_text("harm", "ascii")


def fills_the_disk() -> None:
    with open(Path(os.environ["TMPDIR"], "large"), "wb") as file:
        for _ in range(1_000):
            file.write(MEGABYTE)


def fills_the_folder() -> None:
    for n in range(100):
        Path(os.environ["TMPDIR"], str(n)).write_bytes(MEGABYTE)


def sleeps() -> None:
    time.sleep(600)


ACTS: dict[str, Callable[[], None]] = {
    act.__name__: act
    for act in (
        exits, segfaults, kills_itself, kills_the_runner, forks_for_ever, takes_all_memory, loops_for_ever,
        prints, prints_a_gigabyte, closes_the_pipe, forges_an_answer, forges_an_infinite_cost, sends_no_last_part,
        connects, writes_a_file, fills_the_disk, fills_the_folder, claims_lists_in_lists,
        sleeps,
    )
}  # fmt: skip


def _attempted(attempt: Callable[[], Any]) -> str:
    try:
        return repr(attempt())
    except BaseException as error:  # noqa: BLE001 - its kind is what is looked for
        return type(error).__name__


def found() -> list[str]:
    """All that the process can find out about its environment, the runner and the open files of both."""
    parent = Path("/proc", str(os.getppid()))
    seen = [repr(dict(os.environ)), _attempted(Path("/proc/self/environ").read_bytes)]
    seen += [_attempted((parent / name).read_bytes) for name in ("environ", "mem", "maps")]
    for folder in (Path("/proc/self/fd"), parent / "fd"):
        names = os.listdir(folder) if os.access(folder, os.R_OK) else []
        seen += [_attempted(lambda name=name, folder=folder: os.readlink(folder / name)) for name in names]  # type: ignore[misc]  # mypy knows no type of a default
    return seen


def judge(order: dict[str, Any]) -> Any:
    """The candidate: one order in, one score out, or harm."""
    act = order.get("act")
    if act == "finds":
        return {"found": found()}
    if act in ACTS:
        ACTS[act]()
    return {**ANSWER, "id": order["n"]}


class Counting:
    """A candidate with state, that does harm too: it counts its inputs."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, order: dict[str, Any]) -> Any:
        judge(order)
        self.seen += 1
        return {"seen": self.seen}

    def snapshot(self) -> bytes:
        return str(self.seen).encode()

    def restore(self, snapshot: bytes) -> None:
        self.seen = int(snapshot)


def reads(path: str) -> Any:
    """Return the first bytes of a file, or the kind of error."""
    return _attempted(lambda: Path(path).read_bytes()[:20])


def dials(address: str) -> Any:
    """Return the kind of error of a connection to host:port, or None."""
    host, _, port = address.rpartition(":")
    return _attempted(lambda: socket.create_connection((host, int(port)), 2).close())


def dials_by_other_ways(address: str) -> str:
    """Return the kinds of error of connections by multipath TCP, and by first bytes without a call of connect."""
    host, _, port = address.rpartition(":")
    at, fast = (host, int(port)), socket.MSG_FASTOPEN

    def by_multipath() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as one:  # IPPROTO_MPTCP
            one.connect(at)

    def by_sendto() -> None:
        with socket.socket() as one:
            one.sendto(b"x", fast, at)

    def by_sendmsg() -> None:
        with socket.socket() as one:
            one.sendmsg([b"x"], [], fast, at)

    return " ".join(map(_attempted, (by_multipath, by_sendto, by_sendmsg)))
