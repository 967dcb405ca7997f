"""Approval (`judge.approval: manual`): who approved which promote, and what ends it; without evidence it is none."""

import random
from typing import Any

import pytest

from shadowstream.codecs.own import decode, encode
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.verdict.approval import approval_notes
from shadowstream.judge.verdict.verdict import criteria_hash
from tests.judge.stats_records import HOUR_MS, REVISION, Trial, config

GOOD = [{"match": 1000, "input": 1000}] * 6
ODD = [{"match": 500, "mismatch": 500, "input": 1000}] * 4
"""Hours that open an incident, and in the end reject."""
MANUAL = config(approval="manual", min_duration_ms=4 * HOUR_MS)


def records_of(hours: list[dict[str, int]]) -> list[dict[str, Any]]:
    return Trial(hours).task_logs(random.Random(1))[0]


class Judge:
    """A judge that is evaluated once a record, a second apart, and what it wrote."""

    def __init__(self) -> None:
        self.step, self.ms, self.commands = JudgeStep(MANUAL, REVISION, ["scores/0"]), 1_000_000, 0
        self.audit: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {}

    def give(self, *records: dict[str, Any], first: int = 0) -> dict[str, Any]:
        for offset, record in enumerate(records, start=first):
            self.step.step(0, offset, record)
            self.evaluate()
        return self.audit[-1]

    def evaluate(self) -> dict[str, Any]:
        self.ms += 1_000
        effects = self.step.evaluate(self.ms)
        for write in effects.writes:
            _, record = decode(write.value or b"")
            if write.topic.endswith(".audit"):
                self.audit.append(record)
            if write.topic.endswith(".judge-state"):
                self.state = record
        return effects.verdict

    def approve(self, since_ms: int | None, subject: str = REVISION, by: str = "ana") -> dict[str, Any]:
        command = {"command": "approve", "subject": subject, "by": by, "reason": "fine", "at_ms": self.ms}
        _, record = decode(encode("command", command | {"promote_since_ms": since_ms}))
        self.step.command(self.commands, record)
        self.commands += 1
        return self.evaluate()


@pytest.fixture
def promoted() -> Judge:
    judge = Judge()
    assert judge.give(*records_of(GOOD)[:-1])["decision"] == "promote"
    return judge


def test_a_promote_waits_until_it_is_approved_and_the_audit_has_both(promoted: Judge) -> None:
    waiting = promoted.audit[-1]["approval"]
    since = next(one["evaluated_at_ms"] for one in promoted.audit if one["decision"] == "promote")
    assert waiting == {"promote_since_ms": since, "approved": False, "by": None, "reason": None, "at_ms": None}
    at_ms, digest = promoted.ms, promoted.audit[-1]["evidence_digest"]
    promoted.approve(since)
    last = promoted.audit[-1]
    assert last["approval"] == waiting | {"approved": True, "by": "ana", "reason": "fine", "at_ms": at_ms}
    assert (last["decision"], last["evidence_digest"]) == ("promote", digest), "an approval is no evidence"
    assert approval_notes(last) == [f"approved by ana at {utc_text(at_ms)}: fine"]


@pytest.mark.parametrize("subject", ["ff" * 16, "", "fraud"])
def test_an_approval_of_another_revision_does_not_count(promoted: Judge, subject: str) -> None:
    since = promoted.audit[-1]["approval"]["promote_since_ms"]
    assert not promoted.approve(since, subject)["approval"]["approved"]


@pytest.mark.parametrize("moved", [-1, 1, 10**9])
def test_an_approval_names_the_very_promote_that_stands(promoted: Judge, moved: int) -> None:
    since = promoted.audit[-1]["approval"]["promote_since_ms"]
    assert not promoted.approve(since + moved)["approval"]["approved"]
    assert not promoted.approve(None)["approval"]["approved"]
    assert promoted.approve(since)["approval"]["approved"]


@pytest.mark.parametrize("since_ms", [None, 0, 1_000_000, 1_100_000])
def test_an_approval_before_the_evidence_promotes_never_counts(since_ms: int | None) -> None:
    judge, records = Judge(), records_of(GOOD)
    judge.give(*records[:3])
    early = judge.approve(since_ms)
    assert (early["decision"], early["approval"]["approved"]) == ("not_yet", False)
    last = judge.give(*records[3:], first=3)
    assert (last["decision"], last["approval"]["approved"]) == ("promote", False)


def test_evidence_that_says_otherwise_ends_the_approval(promoted: Judge) -> None:
    since, given = promoted.audit[-1]["approval"]["promote_since_ms"], len(records_of(GOOD)) - 1
    promoted.approve(since)
    last = promoted.give(*records_of([*GOOD, *ODD])[given:-1], first=given)
    assert last["decision"] == "reject"
    after = [one["approval"] for one in promoted.audit if one["decision"] != "promote"][-1]
    assert (after["promote_since_ms"], after["approved"], after["by"]) == (None, False, "ana")
    (note,) = approval_notes(last)
    assert note.startswith(
        f"the approval by ana at {utc_text(after['at_ms'])} (fine) was for an earlier promote: the evidence "
    )
    assert promoted.approve(since)["decision"] == "reject", "an approval turns no reject"


def test_a_later_promote_waits_again_although_one_was_approved(promoted: Judge) -> None:
    approval = promoted.step.commands.approval
    verdict = promoted.audit[-1]
    first = verdict["approval"]["promote_since_ms"]
    assert promoted.approve(first)["approval"]["approved"]
    assert not approval.noted(verdict | {"decision": "not_yet"})["approval"]["approved"]
    again = approval.noted(verdict | {"evaluated_at_ms": first + 60_000})["approval"]
    assert (again["promote_since_ms"], again["approved"], again["by"]) == (first + 60_000, False, "ana")


def test_a_restarted_judge_keeps_approval_and_begin(promoted: Judge) -> None:
    since = promoted.audit[-1]["approval"]["promote_since_ms"]
    promoted.approve(since)
    before = promoted.audit[-1]["approval"]
    promoted.step = JudgeStep(MANUAL, REVISION, ["scores/0"])
    promoted.step.restore(promoted.state)
    assert promoted.evaluate()["approval"] == before


def test_a_judge_without_its_state_asks_for_approval_again(promoted: Judge) -> None:
    since = promoted.audit[-1]["approval"]["promote_since_ms"]
    promoted.approve(since)
    anew = Judge()
    anew.ms = promoted.ms
    anew.approve(since)
    assert not anew.give(*records_of(GOOD)[:-1])["approval"]["approved"]


def test_the_mode_is_no_part_of_revision_and_evidence() -> None:
    assert criteria_hash(config()) == criteria_hash(config(approval="manual"))
    step = JudgeStep(config(), REVISION, ["scores/0"])
    assert step.verdict(1)["approval"] is None
