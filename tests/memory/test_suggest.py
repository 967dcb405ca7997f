"""`suggest` on a trial of the real roles on the broker in memory: planted noise is found, and a planted bug is not."""

import difflib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from shadowstream.cli import run
from shadowstream.configfile import load
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.roles import joiner, runner
from shadowstream.records import Partition
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from shadowstream.yaml_flow import flow
from tests.memory.runner_world import REVISION

BEGIN_MS = 1_790_000_000_000
ORDERS = 240
OUT, IN = Partition("out", 0), Partition("in", 0)
CONFIG = """\
name: suggested
inputs: [in]  # what production reads
production: {outputs: [out]}
start: earliest
candidate: {call: "tests.memory.test_suggest:candidate", isolation: in-process, trusted: true, partitioner: murmur2}
limits: {commit_ms: 20}
judge: {window_ms: 10000}
# rules come below
"""
_dice = Random(7)


def production(n: int) -> dict[str, Any]:
    dice = Random(n)
    at = datetime.fromtimestamp((BEGIN_MS + n + dice.randrange(500)) / 1000, UTC)
    return {
        "id": n,
        "country": dice.choice(["NL", "DE", "FR"]),
        "score": dice.random(),
        "state": dice.choice(["new", "open", "done"]),
        "handled_at": at.isoformat(),
        "trace": str(UUID(int=dice.getrandbits(128))),
    }


def candidate(value: Any) -> Any:
    """Production's answer with noise in three fields, and wrong in Dutch orders."""
    n = value["n"]
    answer = production(n)
    answer["handled_at"] = datetime.fromtimestamp(answered_ms() / 1000, UTC).isoformat()
    answer["trace"] = str(UUID(int=_dice.getrandbits(128)))
    answer["score"] += _dice.uniform(-1, 1) * 1e-7
    if is_wrong(n):
        answer["state"] = _dice.choice(["lost", "void", "gone", "odd"])
    return answer


def is_wrong(n: int) -> bool:
    return bool(production(n)["country"] == "NL")


class World:
    """A trial whose runner and joiner have ended everything."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trial.yaml"
        self.path.write_text(CONFIG)
        self.broker = MemoryBroker(ManualClock(wall_ms=BEGIN_MS + 1_000))
        for topic in ("in", "out"):
            self.broker.create(topic, 1)
        for n in range(ORDERS):
            self.broker.logs[IN].append(Entry(b"k%d" % n, json.dumps({"n": n}).encode(), BEGIN_MS + n))
            self.broker.logs[OUT].append(Entry(b"k%d" % n, json.dumps(production(n)).encode(), BEGIN_MS + n))
        self.running: Process | None = None
        self.played()

    def host(self) -> Process:
        assert self.running is not None
        return self.running

    def process(self, role: str, call: Any, turns: int = 60_000) -> Any:
        self.running = Process(role, self.broker.clock, call)
        with inside(self.broker, self.host):
            self.running.run(turns, lambda: self.running is not None and self.running.ended)
        assert self.running.error is None, self.running.error
        return self.running

    def played(self) -> None:
        global _clock
        _clock = self.broker.clock
        config = load(self.path)
        for role in (runner, joiner):
            name = role.__name__.rpartition(".")[2]
            watch = RoleHealth(config.name, name)

            def live(role: Any = role, watch: RoleHealth = watch) -> Any:
                return role.run(config, REVISION, Stoppable(), watch, "0")

            self.process(name, live, turns=6_000).kill()

    def suggest(self, *options: str) -> int:
        process = self.process("suggest", lambda: run(["suggest", str(self.path), *options]))
        return int(process.result)


_clock: ManualClock | None = None


def answered_ms() -> int:
    assert _clock is not None
    return _clock.now_ms


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("suggested"))


@pytest.fixture
def text(world: World) -> Iterator[str]:
    """The text of the config; the file has it again after the test."""
    yield CONFIG
    world.path.write_text(CONFIG)


def answer(world: World, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert world.suggest("--json", *options) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_noise_is_found_proven_and_written_and_the_bug_remains(
    world: World, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(world, capsys, "--write", "--yes")
    wrong = sum(map(is_wrong, range(ORDERS)))
    assert (found["differ"], found["read"], found["whole"]) == (ORDERS, ORDERS, 0)
    by_default = [one for one in found["proposed"] if one["by_default"]]
    assert {one["path"]: (one["explains"], one["hides"]) for one in by_default} == {
        "handled_at": (ORDERS, 0),
        "score": (ORDERS, 0),
        "trace": (ORDERS, 0),
    }
    proof = found["proof"]
    assert (proof["differ_before"], proof["differ_after"], proof["fields_after"]) == (ORDERS, wrong, {"state": wrong})
    # The whole trial, compared again by the joiner's own step, has what the pairs read foretell.
    before, after = proof["outcomes"]
    assert (before["mismatch"], after["mismatch"], after["tolerated"]) == (ORDERS, wrong, ORDERS - wrong)
    assert found["written"]
    added = ["compare:", "  rules:", *(f"    - {flow(one['entry'])}" for one in by_default)]
    changes = [line for line in difflib.ndiff(text.splitlines(), world.path.read_text().splitlines()) if line[0] != " "]
    assert changes == [f"+ {line}" for line in added]
    assert [line for line in found["diff"].splitlines()[2:] if line[0] in "+-"] == [f"+{line}" for line in added]


def test_the_slice_of_the_bug_is_a_dimension(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(world, capsys, "--no-replay")
    assert [one["entry"] for one in found["proposed"] if one["section"] == "dimensions"] == [
        {"name": "country", "path": "country"}
    ]
    assert [one["path"] for one in found["refused"]] == ["state"]
    assert world.path.read_text() == CONFIG


def test_proposals_are_accepted_in_bulk_with_limits(
    world: World, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(world, capsys, "--no-replay")
    numbers = ",".join(str(one["number"]) for one in found["proposed"] if one["by_default"])
    limits = ("--at-most", "2 %", "--until", "2999-03-01", "--reason", "agreed: #7")
    assert answer(world, capsys, "--accept", numbers, *limits, "--no-replay", "--write", "--yes")["written"]
    changes = load(world.path).compare.expected
    assert [(one.paths, one.rate_max, one.until.isoformat()) for one in changes] == [
        ([path], 0.02, "2999-03-01T00:00:00+00:00") for path in ("handled_at", "score", "trace")
    ]
    assert world.path.read_text().count("# agreed: #7\n") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--yes"], "--yes: goes with --write"),
        (["--only", "99"], "--only: there is no proposal 99"),
        (["--only", "1", "--accept", "1", "--at-most", "0.02", "--until", "2999-01-01"], "both name 1"),
        (["--accept", "1"], "give --at-most and --until"),
        (["--accept", "1", "--at-most", "200 %", "--until", "2999-01-01"], "--at-most '200 %'"),
        (["--accept", "1", "--at-most", "2 %", "--until", "2020-01-01"], "is in the past"),
        (["--at-most", "2 %"], "name those by --accept"),
        (["--only", "one"], "give numbers of proposals"),
        (["--write", "--no-replay"], "add --yes to write"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_is_written(
    options: list[str], message: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.suggest(*options) == 2
    assert message in capsys.readouterr().err
    assert world.path.read_text() == CONFIG


def test_people_read_what_was_found(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert world.suggest() == 0
    out, err = capsys.readouterr()
    print(out)
    for words in (
        f"{ORDERS} of {ORDERS} compared pairs differ",
        "1. ignore handled_at",
        f"mismatch 100 % of {ORDERS} pairs →",
    ):
        assert words in out
    assert "--write shows the changed lines" in err
