"""The gate for programs, without a broker: how reads are shared, and what each failure is."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from shadowstream.errors import BrokerError, ConfigError, ShadowstreamBug
from shadowstream.web import release_gate
from shadowstream.web.release_gate import Facts, Refused, ReleaseGate

ASKERS = 20


def answer(evidence: int, revision: str | None, max_age: str | None) -> Facts:
    """The facts name the read and the question."""
    if revision == "bad":
        raise ConfigError("revision 'bad'")
    if revision == "broken":
        raise ShadowstreamBug("the verdict topic holds another record")
    return {"decision": "promote", "read": evidence, "asked": (revision, max_age)}


def counted(during: Callable[[], None] = lambda: None) -> ReleaseGate[int]:
    """A gate whose n-th read finds n."""
    reads = iter(range(1, 1_000))

    def read() -> int:
        during()
        return next(reads)

    return ReleaseGate("fraud", read, answer)


def test_one_read_serves_all_that_ask_together() -> None:
    release = threading.Event()
    gate = counted(lambda: release.wait(30) and None)  # type: ignore[func-returns-value]  # the wait is what counts

    async def ask() -> list[Facts]:
        asked = [asyncio.create_task(gate.ask(f"revision {n}", None)) for n in range(ASKERS)]
        await asyncio.sleep(0.05)
        release.set()
        return await asyncio.gather(*asked)

    found = asyncio.run(ask())
    assert [one["read"] for one in found] == [1] * ASKERS
    assert [one["asked"][0] for one in found] == [f"revision {n}" for n in range(ASKERS)]


def test_a_read_serves_no_request_beyond_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = counted()
    now_s = 1_000.0
    monkeypatch.setattr(release_gate.time, "monotonic", lambda: now_s)

    async def ask() -> int:
        read: int = (await gate.ask(None, None))["read"]
        return read

    assert asyncio.run(ask()) == 1
    now_s += release_gate.FRESH_S
    assert asyncio.run(ask()) == 1
    now_s += 0.001
    assert asyncio.run(ask()) == 2


def refusal(gate: ReleaseGate[int], revision: str | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        asyncio.run(gate.ask(revision, None))
    return refused.value


def test_a_cluster_that_does_not_answer_holds_no_request_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    release, reads = threading.Event(), []

    def during() -> None:
        reads.append(1)
        release.wait(30)

    monkeypatch.setattr(release_gate, "WAIT_S", 0.05)
    gate = counted(during)
    for _ in range(3):
        refused = refusal(gate)
        assert (refused.status, refused.exit_code) == (503, 1)
    release.set()
    assert len(reads) == 1, "a read that hangs is not joined by another"


@pytest.mark.parametrize(
    ("error", "status", "exit_code"),
    [
        (BrokerError("no broker answers"), 503, 1),
        (ConfigError("the trial began with other topics"), 409, 2),
        (RuntimeError("a bug"), 503, 1),
        (MemoryError(), 503, 1),
    ],
)
def test_each_failure_of_a_read_has_its_status(error: Exception, status: int, exit_code: int) -> None:
    def during() -> None:
        raise error

    refused = refusal(counted(during))
    assert (refused.status, refused.exit_code) == (status, exit_code)
    assert refused.reason
    assert "a bug" not in refused.reason, "a message of another library may hold what nobody should see"


@pytest.mark.parametrize(("revision", "status", "exit_code"), [("bad", 400, 2), ("broken", 500, 1)])
def test_each_failure_of_an_answer_has_its_status(revision: str, status: int, exit_code: int) -> None:
    refused = refusal(counted(), revision)
    assert (refused.status, refused.exit_code) == (status, exit_code)
