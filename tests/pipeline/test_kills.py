"""kill -9 of each role in the middle of the demo: the same evidence and the same counts as without it."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from shadowstream.demo import orchestrate
from shadowstream.judge.verdict.verdict import EVIDENCE
from shadowstream.testing import Broker, EmbeddedKafka
from tests.conftest import Say
from tests.forked import forked_children
from tests.pipeline.conftest import DEMOS
from tests.pipeline.demo_run import Demo, DemoRuns, rename
from tests.pipeline.kills import Killer
from tests.pipeline.written_records import remainders, totals

LIMIT_S = 400.0
ROLES = {"run", "join", "judge"}
# Small steps, so that twenty commits and more are made long before the end: commit_records and least commits by size.
STEPS = {"summer": (200, 20), "year": (2_000, 40)}
LATE_BUG = [one for one in DEMOS if one.values[0][1] == "late-bug"]


@contextmanager
def staged(demo: Demo, limits: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[orchestrate.Stage]:
    """A second demo like this one, with other limits. That of the year has a broker and a production of its own."""
    if demo.is_year:
        with ExitStack() as stack:
            kafka = stack.enter_context(EmbeddedKafka())
            given = Broker(kafka.bootstrap, "embedded", "the test's own", kafka.stop)
            ready = stack.enter_context(orchestrate.stage(demo.candidate, print, given=given))
            rename(ready.config_path, limits=limits)
            yield ready
    else:
        demo_runs: DemoRuns = request.getfixturevalue("demo_runs")
        yield demo_runs.stage(demo.candidate, "killed", limits)


def restored(stage: orchestrate.Stage, role: str) -> list[dict[str, Any]]:
    """What the role's processes logged when they took up what was committed."""
    lines = (stage.folder / f"{role}.err").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [event for event in events if event["event"] == "restored"]


@pytest.mark.parametrize("demo", LATE_BUG, indirect=True)
def test_killed_roles_come_to_the_same_evidence_and_the_same_counts(
    demo: Demo, request: pytest.FixtureRequest, say: Say
) -> None:
    commit_records, commits = STEPS["year" if demo.is_year else "summer"]
    limits = {"commit_ms": 50, "commit_records": commit_records}
    with staged(demo, limits, request) as stage, closing(Killer(stage.config, commits, LIMIT_S)) as killer:
        began = time.monotonic()
        with forked_children():
            supervisor = orchestrate.run(stage, killer.turn)
        seconds = time.monotonic() - began
        assert killer.killed.keys() == ROLES, f"ended before it could be killed: {ROLES - killer.killed.keys()}"
        for role in ROLES:
            assert supervisor.children[role].exit_codes == [-9, 0], role
        pending = restored(stage, "join")[-1]["pending"]
        figures = {one["role"]: one for one in stage.figures()}
        assert pending == figures["joiner"]["pending_at_restart"] > 0
        say(
            f"killed after {killer.killed} commits, the joiner with {killer.pending:,} pending "
            f"({pending:,} taken up again); {seconds:.1f} s instead of {demo.seconds:.1f} s"
        )

        verdict = orchestrate.verdict_of(stage.config)
        again = Demo(demo.candidate, demo.flights, demo.model, stage.config_path, stage.environment, verdict, seconds)
        assert {name: verdict[name] for name in EVIDENCE} == {name: demo.verdict[name] for name in EVIDENCE}
        assert verdict["evidence_digest"] == demo.verdict["evidence_digest"]
        assert again.records("drift") == demo.records("drift")
        assert totals(again.stats) == totals(demo.stats)
        assert remainders(again.stats) == {}
        rows = {(row["pair_id"], row["outcome"]) for row in again.records("diff")}
        assert rows == {(row["pair_id"], row["outcome"]) for row in demo.records("diff")}
        assert again.by_hand() == demo.by_hand()
