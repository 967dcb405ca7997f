"""The plan: steps in their order, offsets exactly production's commits, lines that a shell takes, and the way back."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shadowstream.handover.facts import Facts, GroupFacts, InputFacts
from shadowstream.handover.kafka_lines import KafkaLines
from shadowstream.handover.plan import Asked, Plan, plan_of
from shadowstream.records import Partition
from tests.least_config import LEAST, least_config

INPUTS = tuple(InputFacts(Partition("in", at), 0, 50, 10 + at, done=12) for at in range(3))
FACTS = Facts(GroupFacts("old group", "empty"), INPUTS, 5.0)


def plan(facts: Facts = FACTS, **config: Any) -> Plan:
    more = {"production": {"outputs": ["out"], "group": "old group"}} | config
    asked = Asked(least_config(**more), "a trial.yaml", "ab" * 32, "shadowstream handover x", KafkaLines("k:1", None))
    return plan_of(asked, facts)


def words(found: Plan) -> str:
    return " ".join(" ".join((step.title, *step.text, *step.checks)) for step in (*found.steps, *found.way_back))


def test_the_new_version_begins_at_productions_commits() -> None:
    assert plan().offsets == {Partition("in", at): 10 + at for at in range(3)}
    empty = replace(INPUTS[0], begin=50, committed=None)
    found = plan(replace(FACTS, inputs=(empty, *INPUTS[1:])))
    assert found.is_final
    assert found.offsets[Partition("in", 0)] == 50
    (line,) = [line for step in found.steps for line in step.commands if "--reset-offsets" in line]
    assert "--topic in:0 --to-offset 50 --execute" in line


def test_production_stops_first_and_the_trial_ends_before_the_new_version() -> None:
    titles = [step.title for step in plan().steps]
    assert titles == [
        "Stop production",
        "Take the offsets",
        "End the trial",
        "Check the offsets",
        "Start the new version",
        "Watch over the new version",
    ]


def test_taking_over_the_group_sets_no_offset() -> None:
    found = plan()
    assert not [line for step in found.steps for line in step.commands if "--reset-offsets" in line]
    assert [step.title for step in found.way_back][:2] == [
        "Stop the new version",
        "Check where the old version continues",
    ]


def test_a_group_of_its_own_gets_every_offset_and_gives_back(tmp_path: Path) -> None:
    found = plan(replace(FACTS, new_group=GroupFacts("new group", "")))
    (step,) = [step for step in found.steps if step.title == "Set the offsets of group new group"]
    rows, reset, _ = step.commands
    subprocess.run(rows, shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / "handover-t.csv").read_text() == "in,0,10\nin,1,11\nin,2,12\n"
    assert shlex.split(reset)[3:] == [
        *("--group", "new group", "--reset-offsets", "--from-file", "handover-t.csv", "--execute"),
    ]
    exported, imported, _ = found.way_back[1].commands
    assert "--group 'new group' --reset-offsets --to-current --topic in --dry-run --export > handback-t.csv" in exported
    assert "--group 'old group' --reset-offsets --from-file handback-t.csv --execute" in imported


@pytest.mark.parametrize("new", [None, "new group"])
def test_no_line_for_a_group_is_of_another_group(new: str | None) -> None:
    found = plan(replace(FACTS, new_group=None if new is None else GroupFacts(new, "")))
    lines = [line for step in (*found.steps, *found.way_back) for line in step.commands]
    groups = {line[line.index("--group") + 1] for line in map(shlex.split, lines) if "--group" in line}
    assert groups == {"old group", "shadow.t.joiner", *([new] if new else [])}


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({}, "production.commits is unknown"),
        ({"production": {"outputs": ["out"], "group": "old group", "commits": "after_output"}}, "no input is lost"),
        ({"candidate": {"call": "m:f", "state": "snapshot"}}, "Nothing copies them"),
        (
            {"candidate": {"call": "m:f", "state": "warm_up", "warm_up_records": 9}},
            "the first answers of the new version",
        ),
        ({"candidate": {"topic": "next", "group": "job", "version": "7"}}, "It wrote to next in group job so far"),
    ],
)
def test_the_plan_names_what_is_lost_or_repeated_in_this_trial(config: dict[str, Any], part: str) -> None:
    assert part in words(plan(**config))


def test_lines_name_the_login_of_kafkas_tools() -> None:
    asked = Asked(least_config(**LEAST), "t.yaml", "ab", "x", KafkaLines("k:1", "my file.properties"))
    found = plan_of(asked, FACTS)
    lines = [line for step in found.steps for line in step.commands if line.startswith("kafka-")]
    assert all(shlex.split(line)[3:5] == ["--command-config", "my file.properties"] for line in lines)


def test_no_line_sets_an_offset_before_the_offsets_are_final() -> None:
    running = replace(FACTS, group=GroupFacts("old group", "stable", ("a on b",)))
    for new in (None, GroupFacts("new group", "")):
        found = plan(replace(running, new_group=new))
        assert not found.is_final
        assert not any(step.done for step in found.steps)
        lines = [line for step in (*found.steps, *found.way_back) for line in step.commands]
        assert not [line for line in lines if "--to-offset" in line or "cat >" in line]
    assert [step.done for step in plan().steps] == [True, True, False, False, False, False]
