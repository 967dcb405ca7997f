"""The demo's verdicts against what is known beforehand: the file, both models, and the topics read by hand."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shadowstream.cli.demo import lines as demo_lines
from shadowstream.demo import offline
from shadowstream.demo.candidates import BUG_CARRIER, BUG_FROM_MS
from shadowstream.demo.model import Frozen
from shadowstream.demo.orchestrate import CANDIDATES
from shadowstream.judge.evidence.rates import critical_n
from shadowstream.judge.replay import course
from tests import forked
from tests.conftest import Say
from tests.pipeline.demo_run import OUTPUT, Demo, expected_mismatches
from tests.pipeline.written_records import ledgers, outcomes_of_rows, remainders, totals

DECISIONS = {"same": "promote", "worse": "reject", "late-bug": "reject"}
TARGET_S = 120.0
PATIENCE = 5
"""A shared machine may be so much slower before it is called a failure."""
HOURS_JUDGED = 100
CAUGHT_WITHIN = 2_000
"""Flights of the carrier between the switch and the drift event, at most."""


@pytest.mark.parametrize(
    ("candidate", "decision"),
    [
        ("worse", "reject"),
        pytest.param("same", "promote", marks=pytest.mark.long),
        # The first days of January lie before the switch: there late-bug is production.
        pytest.param("late-bug", "promote", marks=pytest.mark.long),
    ],
)
def test_the_command_ends_with_its_verdict_and_leaves_report_and_kafka(
    candidate: str, decision: str, tmp_path: Path, january: Frozen
) -> None:
    limit, report = 1_000, tmp_path / "build" / "report.html"
    settings = {name: value for name, value in os.environ.items() if name != "SHADOWSTREAM_BOOTSTRAP"}
    found = kept_demo(candidate, settings, "--limit", str(limit), "--report", str(report))
    assert found["revision"] in report.read_text("utf-8")
    differ = offline.run(limit, model=january)["mismatches"][CANDIDATES[candidate]]
    assert found["decision"] == decision
    assert found["outcomes"] == dict(Counter(input=limit, ignored=limit - differ) + Counter(mismatch=differ))
    assert (found["name"], found["final"], found["remainder"]) == ("flights", True, 0)


def kept_demo(candidate: str, settings: dict[str, str], *options: str) -> dict[str, Any]:
    """The verdict of a demo that keeps its Kafka: the gate gives the same, and Ctrl-C ends it with exit code 0."""
    command = [sys.executable, "-m", "shadowstream", "demo", "--candidate", candidate, "--json", "--keep", *options]
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            assert demo.stderr is not None
            verdict: dict[str, Any] = json.loads(demo.stdout.readline())
            kept = list(itertools.takewhile(lambda line: " web " not in line, demo.stderr))
            exported = dict(word.split("=", 1) for line in kept if "export " in line for word in line.split()[1:])
            (path,) = [line.split()[-1] for line in kept if "shadowstream explain" in line]
            asked = forked.run([*command[:3], "gate", path, "--json"], 60, env=settings | exported)
            assert json.loads(asked.stdout)["evidence_digest"] == verdict["evidence_digest"], asked.stderr
            demo.send_signal(signal.SIGINT)
            assert demo.wait(60) == 0
        finally:
            demo.kill()
    return verdict


def test_each_candidate_gets_the_decision_it_deserves(demo: Demo, say: Say) -> None:
    say(f"{len(demo.flights):,} flights, {demo.candidate}: {demo.verdict['decision']} after {demo.seconds:.1f} s")
    assert demo.verdict["decision"] == DECISIONS[demo.candidate], demo.verdict["reasons"]
    assert demo.verdict["final"]
    assert demo.verdict == demo.records("verdict")[-1]
    if demo.candidate == "worse":
        mismatch = next(one for one in demo.verdict["criteria"] if one["rate"] == "mismatch")
        assert mismatch["shown_bad"]
        assert any("mismatch: " in reason and "over the limit" in reason for reason in demo.verdict["reasons"])
    assert demo.seconds < PATIENCE * TARGET_S


def test_drift_is_found_soon_after_the_switch_and_nowhere_else(demo: Demo, say: Say) -> None:
    events = demo.records("drift")
    if demo.candidate == "same":
        assert events == []
    if demo.candidate == "late-bug":
        assert min(event["window_end_ms"] for event in events) > BUG_FROM_MS
        flags = [event for event in events if event["event"] == "flag"]
        carried = {flag["detector"]: carried_until(demo, flag["window_end_ms"]) for flag in reversed(flags)}
        say(f"{len(demo.flights):,} flights, drift seen after so many of {BUG_CARRIER} from the switch on: {carried}")
        assert 0 < min(carried.values()) <= CAUGHT_WITHIN
        assert {(flag["criterion"], flag["direction"]) for flag in flags} == {
            ("mismatch", "up"),
            (f"mismatch:carrier={BUG_CARRIER}", "up"),
        }


def test_one_carriers_bug_is_one_incident_named_after_its_slice(demo: Demo, say: Say) -> None:
    if demo.candidate == "worse":
        pytest.skip("it is wrong from the first flight on: no change, and many slices")
    opened = [event for event in demo.records("drift") if event["event"] == "opened"]
    if demo.candidate == "same":
        assert (opened, demo.verdict["slices"], demo.verdict["incidents"], demo.verdict["incidents_open"]) == (
            [],
            [],
            [],
            [],
        )
        return
    (incident,) = demo.verdict["incidents"]
    assert demo.verdict["incidents_open"] == [incident["id"]] == [event["incident"] for event in opened]
    assert incident["subject"] == f"mismatch:carrier={BUG_CARRIER}"
    assert len(incident["members"]) == len(set(incident["members"]))
    (first, *others) = demo.verdict["slices"]
    assert (first["dimensions"], first["values"], others) == (["carrier"], [BUG_CARRIER], [])
    carried = [flight for flight in demo.flights if flight["carrier"] == BUG_CARRIER]
    differ = expected_mismatches(demo.candidate, carried, demo.model)
    assert (first["n"], first["s"]) == (len(carried), differ)
    held, rate = incident["absorbed"] + 1, f"{first['s']:,} of {first['n']:,}"
    say(f"{len(demo.flights):,} flights: 1 incident ({held} openings in it), slice carrier={BUG_CARRIER}: {rate}")
    text = demo_lines(demo.verdict, [])
    assert text[1] == "  it is shown that the candidate must not take production's place"
    assert f"incident: {incident['subject']}, open since 2013-0" in "\n".join(text)
    (named,) = [line for line in text if line.startswith("slice: ")]
    assert named.startswith(f"slice: carrier={BUG_CARRIER}: {rate} pairs differ")


def test_the_identical_candidate_is_promoted_only_after_its_minimum_evidence(demo: Demo, say: Say) -> None:
    if demo.candidate != "same":
        pytest.skip("the others are not promoted")
    judge = demo.config.judge
    least = {one.id: 2 * critical_n(0, one.limit, judge.alpha) for one in judge.criteria}
    before, first = 0, None
    hourly = course(demo.config, demo.verdict["revision"], demo.stats, 10_000)
    for verdict in itertools.islice(hourly, HOURS_JUDGED):
        units = {one["rate"]: one["n"] for one in verdict["criteria"]}
        enough = all(units[name] >= least[name] for name in least) and verdict["covered_ms"] >= judge.min_duration_ms
        assert (verdict["decision"] == "promote") == enough, (units, verdict["covered_ms"], verdict["reasons"])
        before += not enough
        first = first or (verdict if enough else None)
    assert first is not None
    units = {one["rate"]: one["n"] for one in first["criteria"]}
    hours = (first["to_ms"] - first["from_ms"]) / 3_600_000
    say(f"{len(demo.flights):,} flights: not yet {before} times, promote at {units} after {hours:g} h; least {least}")
    assert before > 0
    for verdict in demo.records("audit"):
        if verdict["decision"] == "promote":
            assert all(one["n"] >= least[one["rate"]] for one in verdict["criteria"])
            assert verdict["to_ms"] - verdict["from_ms"] >= verdict["covered_ms"] >= judge.min_duration_ms


def carried_until(demo: Demo, end_ms: int) -> int:
    """Flights of the faulty carrier from the switch to `end_ms`."""
    times = [flight["scheduled_ms"] for flight in demo.flights if flight["carrier"] == BUG_CARRIER]
    return sum(BUG_FROM_MS <= time_ms < end_ms for time_ms in times)


def test_counts_are_those_of_the_file_and_of_the_topics_exactly(demo: Demo) -> None:
    everything = len(demo.flights)
    differ = expected_mismatches(demo.candidate, demo.flights, demo.model)
    assert demo.by_hand() == Counter(pairs=everything, mismatches=differ)
    expected = Counter(input=everything, ignored=everything - differ) + Counter(mismatch=differ)
    assert totals(demo.stats) == expected
    assert Counter(demo.verdict["outcomes"]) == expected
    rows = outcomes_of_rows(demo.bootstrap, demo.config.plan.of("diff"))
    assert (rows["mismatch"], set(rows) - {"mismatch", "ignored"}) == (differ, set())


def test_the_ledgers_have_no_remainder(demo: Demo) -> None:
    assert remainders(demo.stats) == {}
    assert demo.verdict["remainder"] == 0
    for ledger, place in ((1, "flights/0"), (2, f"flights/3 -> {demo.config.plan.out(OUTPUT)}/3"), (3, f"{OUTPUT}/1")):
        expected, counted = ledgers(demo.stats)[ledger, place]
        assert expected == counted > 0


@pytest.mark.long
def test_the_year_holds_what_the_demo_says_it_holds(year: list[dict[str, Any]], january: Frozen) -> None:
    known = offline.run(model=january)
    assert known["pairs"] == len(year) == 336_776
    mismatches = {name: expected_mismatches(name, year, january) for name in CANDIDATES}
    assert mismatches == {name: known["mismatches"][entry] for name, entry in CANDIDATES.items()}
    print(mismatches, file=sys.stderr)
