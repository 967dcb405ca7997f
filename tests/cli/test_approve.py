"""`approve`: under `judge.approval: manual` the gate answers a promote with not yet until a person approves it."""

from typing import Any

import pytest

from shadowstream.cli.report import facts_of
from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.verdict.approval import approval_of
from shadowstream.report.junit import junit
from shadowstream.report.markdown import markdown
from shadowstream.report.page import page
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import NOT_GIVEN, REVISION, Judged
from tests.judge.stats_records import HOUR_MS, cell, stats

WHO = ("--by", "ana", "--reason", "seen by the team")
MANUAL = "judge: {approval: manual, window_ms: 3600000, min_duration_ms: 3600000}\n"
KEYED = "judge: {approval: manual, commands_key: a-key-of-16-chars}\n"
SINCE_MS = 1_700_000_000_000


@pytest.fixture
def manual(judged: Judged) -> Judged:
    judged.path.write_text(judged.path.read_text() + MANUAL)
    return Judged(judged.path, judged.bootstrap)


def waits(judged: Judged, decision: str = "promote", **more: Any) -> None:
    """The verdict of a judge whose promotes wait for approval."""
    since = SINCE_MS if decision == "promote" else None
    judged.say(decision, approval=approval_of(since, None), **more)


def test_a_promote_waits_until_it_is_approved_whatever_judge_runs(cli: Cli, manual: Judged) -> None:
    waits(manual)
    answer = cli("gate", manual.path)
    assert (answer.code, answer.out.splitlines()[0]) == (4, "not yet")
    assert f"waits for approval: the evidence says promote since {utc_text(SINCE_MS)}" in answer.out
    assert f"shadowstream approve {manual.path}" in answer.out.replace("\n", "").replace("    ", " ")
    record = cli("approve", manual.path, *WHO, "--json").json
    (found,) = read_all(manual.bootstrap, manual.config.plan.of("commands"))
    written = own.decode(found.value or b"")[1]
    assert written == {**NOT_GIVEN, "decision": "", "until_ms": None, **record}
    named = (written["command"], written["subject"], written["promote_since_ms"])
    assert named == ("approve", manual.revision, SINCE_MS)
    answer = cli("gate", manual.path)
    assert (answer.code, f"approved by ana at {utc_text(record['at_ms'])}: seen by the team" in answer.out) == (0, True)
    approval = cli("gate", manual.path, "--json").json["approval"]
    assert (approval["approved"], approval["by"], approval["reason"]) == (True, "ana", "seen by the team")


@pytest.mark.parametrize("decision", ["not_yet", "reject"])
def test_what_the_evidence_does_not_promote_cannot_be_approved(cli: Cli, manual: Judged, decision: str) -> None:
    waits(manual, decision)
    refused = cli("approve", manual.path, *WHO)
    assert (refused.code, "there is nothing to approve" in refused.err) == (2, True)
    forged = {"command": "approve", "subject": manual.revision, "by": "eve", "reason": "", "at_ms": 1}
    values = [Write(own.encode("command", forged | {"promote_since_ms": since})) for since in (None, SINCE_MS, 0)]
    produce_all(manual.bootstrap, manual.config.plan.of("commands"), values)
    assert cli("gate", manual.path).code == {"not_yet": 4, "reject": 3}[decision]


def test_neither_a_stale_nor_an_unknown_verdict_can_be_approved(cli: Cli, manual: Judged) -> None:
    assert "there is nothing to approve" in cli("approve", manual.path, *WHO).err
    waits(manual, age_s=7_200)
    refused = cli("approve", manual.path, *WHO)
    assert (refused.code, "--max-age" in refused.err) == (2, True)
    assert cli("approve", manual.path, *WHO, "--revision", REVISION).code == 2
    assert read_all(manual.bootstrap, manual.config.plan.of("commands")) == []


def test_an_approval_ends_with_its_promote(cli: Cli, manual: Judged) -> None:
    waits(manual)
    assert cli("approve", manual.path, *WHO).code == 0
    manual.say("promote", approval=approval_of(SINCE_MS + 1, None))
    answer = cli("gate", manual.path)
    assert (answer.code, "was for an earlier promote" in answer.out) == (4, True)
    waits(manual, "reject")
    assert cli("gate", manual.path).code == 3


def test_a_trial_without_the_mode_needs_and_takes_no_approval(cli: Cli, judged: Judged) -> None:
    judged.say("promote")
    assert cli("gate", judged.path).code == 0
    refused = cli("approve", judged.path, *WHO)
    assert (refused.code, "waits for no approval" in refused.err) == (2, True)
    judged.path.write_text(judged.path.read_text() + MANUAL)
    answer = cli("gate", judged.path, "--revision", judged.revision)
    assert (answer.code, "the judge ran without it" in answer.out) == (4, True)


def test_a_config_without_the_mode_opens_no_gate_of_such_a_judge(cli: Cli, judged: Judged) -> None:
    waits(judged)
    assert cli("gate", judged.path).code == 4


@pytest.mark.parametrize("given", [("--by", " ", "--reason", "x"), ("--by", "ana", "--reason", "")])
def test_an_approval_has_a_name_and_a_reason(cli: Cli, make_trial: MakeTrial, given: tuple[str, ...]) -> None:
    refused = cli("approve", make_trial(extra=MANUAL), *given)
    assert (refused.code, "must not be empty" in refused.err) == (2, True)


def test_with_a_key_an_unsigned_approval_does_not_count(cli: Cli, judged: Judged) -> None:
    judged.path.write_text(judged.path.read_text() + KEYED)
    waits(judged)
    forged = {"command": "approve", "subject": judged.revision, "by": "eve", "reason": "", "at_ms": 1}
    written = Write(own.encode("command", forged | {"promote_since_ms": SINCE_MS}), judged.revision.encode())
    produce_all(judged.bootstrap, judged.config.plan.of("commands"), [written])
    answer = cli("gate", judged.path)
    assert (answer.code, "refused: approve by eve" in answer.out) == (4, True)
    assert cli("approve", judged.path, *WHO).code == 0
    assert cli("gate", judged.path).code == 0
    (record,) = [one for one in map(read_command, read_all(judged.bootstrap, judged.config.plan.of("commands"))) if one]
    moved = Write(own.encode("command", record | {"promote_since_ms": SINCE_MS + 1}), judged.revision.encode())
    judged.say("promote", approval=approval_of(SINCE_MS + 1, None))
    produce_all(judged.bootstrap, judged.config.plan.of("commands"), [moved])
    assert cli("gate", judged.path).code == 4, "the signature covers the promote that it names"


def read_command(found: Write) -> dict[str, Any] | None:
    record = own.decode(found.value or b"")[1]
    return record if record["signature"] else None


def test_a_gate_that_trusts_no_topic_of_commands_trusts_the_judge(cli: Cli, manual: Judged) -> None:
    waits(manual)
    assert cli("approve", manual.path, *WHO).code == 0
    assert cli("gate", manual.path, "--no-override").code == 4
    by = {"by": "ana", "reason": "seen", "at_ms": SINCE_MS, "promote_since_ms": SINCE_MS}
    manual.say("promote", approval=approval_of(SINCE_MS, by))
    assert cli("gate", manual.path, "--no-override").code == 0


def test_an_override_decides_whether_or_not_a_promote_waits(cli: Cli, manual: Judged) -> None:
    waits(manual)
    assert cli("override", manual.path, "--decision", "promote", *WHO).code == 0
    assert cli("gate", manual.path).code == 0
    assert cli("approve", manual.path, *WHO).code == 0
    assert cli("override", manual.path, "--decision", "reject", *WHO).code == 0
    assert cli("gate", manual.path).code == 3


def test_explain_and_reports_show_what_waits_and_who_approved(cli: Cli, manual: Judged) -> None:
    from shadowstream.cli.answer import question

    def reports() -> list[str]:
        facts = facts_of(question(str(manual.path), None, "1h"), 0, str(manual.path))
        return [page(facts), markdown(facts), junit(facts), " ".join(cli("explain", manual.path).out.split())]

    waits(manual)
    assert all("waits for approval" in text for text in reports())
    assert f"if you agree, approve it: `shadowstream approve {manual.path} --by NAME" in reports()[3]
    cli("approve", manual.path, *WHO)
    assert all("approved by ana at" in text for text in reports())


def test_the_judge_records_what_the_command_approves(cli: Cli, manual: Judged) -> None:
    """Statistics and commands go through the broker to the judge's step, and its verdicts back to the gate."""
    trial = load(manual.path)
    step = JudgeStep(trial, manual.revision, ["scores/0"])
    now_ms = 1_000 * (SINCE_MS // 1_000)

    def evaluate() -> dict[str, Any]:
        return step.evaluate(now_ms).verdict

    for hour in range(6):
        start_ms = now_ms - (8 - hour) * HOUR_MS
        record = stats("scores/0", hour + 1, cell(start_ms, manual.revision, match=2000, input=2000))
        step.step(0, hour, record | {"revision": manual.revision, "watermark_ms": start_ms + HOUR_MS})
        judgement = evaluate()
    assert (judgement["decision"], judgement["approval"]["approved"]) == ("promote", False)
    manual.write(judgement | {"evaluated_at_ms": 0})
    assert cli("approve", manual.path, *WHO, "--max-age", "100000h").code == 0
    (found,) = read_all(manual.bootstrap, manual.config.plan.of("commands"))
    step.command(0, own.read("command", found.value))
    judgement = evaluate()
    assert judgement["approval"]["approved"]
    manual.write(judgement | {"evaluated_at_ms": 0})
    assert cli("gate", manual.path, "--no-override", "--max-age", "100000h").code == 0
