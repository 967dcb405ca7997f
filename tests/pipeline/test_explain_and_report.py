"""explain, report and replay on the demo: what they say is what was judged, and stays true when judged again."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadowstream.cli import report, run
from shadowstream.cli.answer import Question
from shadowstream.demo.candidates import MODEL_VARIABLE
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import explain
from shadowstream.judge.verdict.verdict import EVIDENCE
from shadowstream.report.facts import Facts
from shadowstream.testing.topics import read_all
from tests.conftest import Say
from tests.pipeline.conftest import DEMOS_BY_LATE_BUG
from tests.pipeline.demo_run import OUTPUT, Demo

CONFIRMED_WITHIN = 0.2
Ask = Callable[..., str]


@pytest.fixture
def ask(demo: Demo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run a command in this process on this demo's config, or another; gives its stdout."""
    for name in (MODEL_VARIABLE, "SHADOWSTREAM_BOOTSTRAP"):
        monkeypatch.setenv(name, demo.environment[name])

    def answer(*words: str, config: Path | None = None) -> str:
        capsys.readouterr()
        code = run([words[0], str(config or demo.config_path), *words[1:]])
        out, err = capsys.readouterr()
        assert code == 0, err[-2_000:]
        return out

    return answer


def written(demo: Demo) -> dict[str, int]:
    """Records in each topic of the trial."""
    kinds = ("stats", "verdict", "judge-state")
    return {kind: len(read_all(demo.bootstrap, demo.config.plan.of(kind))) for kind in kinds}


def with_other(demo: Demo, folder: Path, **changes: Any) -> Path:
    """The demo's config with other sections."""
    document = yaml.safe_load(demo.config_path.read_text("utf-8")) | changes
    document["schemas"]["dir"] = str(Path(demo.config_path.parent, document["schemas"]["dir"]).resolve())
    other = folder / "other.yaml"
    other.write_text(yaml.safe_dump(document), "utf-8")
    return other


@pytest.mark.parametrize("demo", DEMOS_BY_LATE_BUG, indirect=True)
@pytest.mark.parametrize("options", [[], ["--from-topics"]], ids=["evidence", "topics"])
def test_the_same_criteria_and_rules_say_the_same_and_write_nothing(options: list[str], demo: Demo, ask: Ask) -> None:
    before = written(demo)
    again = json.loads(ask("replay", *options, "--json"))
    assert again["evidence_digest"] == demo.verdict["evidence_digest"]
    assert {name: again[name] for name in EVIDENCE} == {name: demo.verdict[name] for name in EVIDENCE}
    assert written(demo) == before


def test_other_rules_are_compared_from_the_topics_over_a_range(demo: Demo, tmp_path: Path, ask: Ask) -> None:
    if demo.candidate != "late-bug":
        pytest.skip("one candidate is enough")
    rules = [{"path": name, "ignore": True} for name in ("score", "late", "model")]
    other = with_other(demo, tmp_path, compare={"rules": rules})
    again = json.loads(ask("replay", "--from-topics", "--json", config=other))
    assert again["decision"] == "promote", again["reasons"]
    assert again["outcomes"] == {"ignored": len(demo.flights), "input": len(demo.flights)}
    week = ("--from", "2013-07-01T00:00", "--to", "2013-07-08T00:00")
    part = json.loads(ask("replay", "--from-topics", *week, "--json", config=other))
    first_ms, end_ms = (int(datetime.fromisoformat(day + "+00:00").timestamp() * 1000) for day in week[1::2])
    flights = sum(first_ms <= flight["scheduled_ms"] < end_ms for flight in demo.flights)
    assert part["outcomes"] == {"ignored": flights, "input": flights}
    assert first_ms <= part["from_ms"] < part["to_ms"] <= end_ms


def test_other_criteria_are_judged_from_what_is_stored(demo: Demo, tmp_path: Path, ask: Ask) -> None:
    if demo.candidate != "late-bug":
        pytest.skip("one candidate is enough")
    criteria = [{"rate": "mismatch", "limit": 0.9, "unit": "block"}, {"rate": "missing", "limit": 0.02}]
    other = with_other(demo, tmp_path, judge={"criteria": criteria, "window_ms": 7_200_000})
    again = json.loads(ask("replay", "--json", config=other))
    assert demo.verdict["decision"] == "reject"
    assert again["decision"] == "promote", again["reasons"]
    assert again["revision"] == demo.verdict["revision"]
    assert again["outcomes"] == demo.verdict["outcomes"]
    assert again["criteria_hash"] != demo.verdict["criteria_hash"]
    assert 0 < again["windows_closed"] < demo.verdict["windows_closed"]


def test_the_records_needed_are_what_the_demo_then_takes(demo: Demo, say: Say) -> None:
    """Its flights hour by hour: asked after a third of what it takes, confirmed by going on."""
    if demo.candidate != "same":
        pytest.skip("the others are rejected")
    step = JudgeStep(demo.config, demo.verdict["revision"], [f"{OUTPUT}/0"])
    hours: dict[int, list[dict[str, Any]]] = {}
    for record in demo.stats:
        for window in record["windows"]:
            hours.setdefault(window["start_ms"], []).append(window)
    asked: dict[str, Any] = {}
    shown: dict[str, int] = {}
    for number, start_ms in enumerate(sorted(hours), start=1):
        record = {**demo.stats[0], "task": f"{OUTPUT}/0", "seq": number, "windows": hours[start_ms], "ledgers": []}
        record |= {"watermark_ms": start_ms + demo.config.judge.window_ms, "complete": False, "idle": False}
        step.step(0, number, record)
        verdict = step.verdict(0)
        for one in explain(verdict, verdict["decision"], verdict["reasons"]).outlooks:
            if one.n >= 300 and one.criterion not in asked:
                asked[one.criterion] = one
            if one.passed:
                shown.setdefault(one.criterion, one.n)
    assert set(asked) == set(shown) == {"mismatch", "missing", "extra", "error", "duplicate"}
    for name, one in asked.items():
        say(f"{name}: at n={one.n} s={one.s} needed {one.needed}, shown good at {shown[name]}")
        assert abs(shown[name] - one.needed) <= CONFIRMED_WITHIN * shown[name]


@pytest.mark.parametrize("demo", DEMOS_BY_LATE_BUG, indirect=True)
def test_the_report_shows_what_was_judged_in_every_form(
    demo: Demo, tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Facts] = []
    facts_of = report.facts_of

    def once(asked: Question, examples: int, command: str) -> Facts:
        """The facts, made once for the four forms: all evidence is judged anew for them, which takes seconds."""
        if not made:
            made.append(facts_of(asked, examples, command))
        return made[0]

    monkeypatch.setattr(report, "facts_of", once)
    output = " ".join(ask("report", "--format", "markdown", "--max-age", "1d").split())
    assert f"**{demo.verdict['decision']}**" in output
    ask("report", "--out", str(tmp_path / "report.html"), "--max-age", "1d")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert demo.verdict["evidence_digest"] in text
    assert text.count("<svg") >= 2
    xml = ask("report", "--format", "junit", "--max-age", "1d")
    assert ('<failure type="reject"' in xml) == (demo.verdict["decision"] == "reject")
    facts = json.loads(ask("report", "--json", "--max-age", "1d"))
    examples = facts["examples"]
    assert text.count("<details") == len(examples)
    # Of each field that differs there are some, and few.
    assert {one["path"] for row in examples for one in row["differences"]} == set(demo.verdict["fields"])
    assert len(examples) <= demo.config.compare.examples.count * len(demo.verdict["fields"])
    assert facts["history"][-1]["mismatch"] == next(
        one for one in demo.verdict["criteria"] if one["rate"] == "mismatch"
    )
