"""Basis of the gate, `explain` and `report`: the last verdict of a revision, if it is still valid."""

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import typer

from shadowstream.cli.durations import seconds_of
from shadowstream.cli.output import ExitCode
from shadowstream.codecs import own
from shadowstream.config import Config, Principal
from shadowstream.configfile import load
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.verdict.approval import WAITS, approval_of, waiting
from shadowstream.judge.verdict.gate_reasons import AGED, UNPROVEN
from shadowstream.kafka.operator_commands import Commands, commands
from shadowstream.kafka.reading.topic_reader import TopicMissing, stream_with_headers
from shadowstream.kafka.trial import bound_topics
from shadowstream.protocol.verdict_signatures import HEADER, SignedVerdicts
from shadowstream.revision import revision_of

READ_TIMEOUT_S = 30.0
REVISION_CHARS_MIN = 8
REFUSED_MAX = 5
CODES = {"promote": ExitCode.OK, "reject": ExitCode.REJECT, "not_yet": ExitCode.NOT_YET}

Revision = Annotated[
    str | None, typer.Option(help="revision to ask for, or its first 8 or more digits; default: the local one's")
]
MaxAge = Annotated[
    str,
    typer.Option(
        help="oldest verdict that counts, since its evaluation and, in an unbounded trial, since its newest data: "
        "seconds, or with s, m, h or d"
    ),
]
RequireSignature = Annotated[
    bool, typer.Option("--require-signature", help="refuse to answer without a key of judge.signing_keys")
]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the gate. `verdict` is the record behind it, None if the revision has none. `override` is the
    command of an operator who has decided instead (schemas/command.avsc). `signed`: the verdict as it was written, in
    base64, and its signature."""

    decision: str
    reasons: list[str]
    revision: str
    verdict: dict[str, Any] | None = field(default=None, repr=False)
    override: dict[str, Any] | None = None
    signed: dict[str, str] | None = field(default=None, repr=False)

    @property
    def exit_code(self) -> ExitCode:
        """0 promote, 3 reject, 4 not yet."""
        return CODES[self.decision]

    @property
    def settled(self) -> bool:
        """Whether waiting cannot change the answer: it is a decision, or the final verdict of a bounded run."""
        return self.decision != "not_yet" or bool(
            self.verdict and self.verdict["final"] and self.verdict["decision"] == "not_yet"
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Records of a trial by which the gate answers. `verdicts`: the last of each revision; None if the topic does not
    exist."""

    verdicts: SignedVerdicts | None
    commands: Commands


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a trial's verdicts: a revision or its first digits, and the maximum age.

    `obeys_people`: whether overrides and approvals count that only the topic of commands holds. `path`: of the config.
    """

    trial: Config
    revision: str
    max_age_ms: int
    obeys_people: bool = True
    path: str = "CONFIG"

    def judged(self) -> Answer:
        """The answer by evidence, without people's commands."""
        return self._judged(verdicts_of(self.trial), round(time.time() * 1000))

    def _judged(self, verdicts: SignedVerdicts | None, now_ms: int) -> Answer:
        if verdicts is None:
            return decide(None, self.revision, now_ms, self.max_age_ms)
        answer = proven(decide(verdicts.last, self.revision, now_ms, self.max_age_ms), verdicts)
        return aged(answer, self.trial, now_ms, self.max_age_ms)

    def about(self, revision: str | None, max_age: str | None) -> "Question":
        """The question with a requested revision and maximum age; None keeps its own. Raises `ConfigError`."""
        return replace(
            self,
            revision=self.revision if revision is None else _checked("revision", revision),
            max_age_ms=self.max_age_ms if max_age is None else round(seconds_of("max_age", max_age) * 1000),
        )

    def read(self, timeout_s: float = READ_TIMEOUT_S) -> Evidence:
        """Read what the answer depends on. Raises as `verdicts_of` does."""
        return Evidence(verdicts_of(self.trial, timeout_s), commands(self.trial))

    def answer(self, evidence: Evidence, now_ms: int) -> Answer:
        answer, given = self._judged(evidence.verdicts, now_ms), evidence.commands
        answer = approved(answer, self.trial, given.approvals() if self.obeys_people else {}, self.path)
        decided = overridden(answer, given.overrides(), now_ms)
        if decided.override is not None and not self.obeys_people:
            ignored = f"not obeyed (--no-override): {decided.reasons[0]}"
            decided = replace(answer, reasons=[*answer.reasons, ignored])
        refused = [_refused(record, why) for record, why in given.refused if record["subject"] == answer.revision]
        return replace(decided, reasons=[*decided.reasons, *refused[-REFUSED_MAX:]])

    def ask(self) -> Answer:
        evidence = self.read()
        return self.answer(evidence, round(time.time() * 1000))


def question(config: str, revision: str | None, max_age: str, by: Principal = "reader") -> Question:
    """The question in a command's arguments. Raises `ConfigError` for an invalid config, revision or age."""
    max_age_ms = round(seconds_of("--max-age", max_age) * 1000)
    trial = load(config).acting_as(by)
    asked = revision_of(trial) if revision is None else _checked("--revision", revision)
    return Question(trial, asked, max_age_ms, path=config)


def refuse_without_key(trial: Config) -> None:
    """Raise `ConfigError` for a trial whose verdicts this process cannot check (`--require-signature`)."""
    if not trial.signing_keys:
        raise ConfigError(
            f"--require-signature: judge.signing_keys of trial {trial.name!r} has no key here, so that no verdict can "
            "be checked; set its variable for this process"
        )


def _checked(name: str, revision: str) -> str:
    if not re.fullmatch(rf"[0-9a-f]{{{REVISION_CHARS_MIN},64}}", revision):
        raise ConfigError(f"{name} {revision!r}: give 8 to 64 digits of 0-9, a-f, as `validate` prints them")
    return revision


def verdicts_of(trial: Config, timeout_s: float = READ_TIMEOUT_S) -> SignedVerdicts | None:
    """The last verdict of each revision; None if the topic does not exist. Raises `BrokerError`, and `ConfigError` if
    the trial of that name began with other topics than this config's: its verdicts do not apply to these."""
    verdicts = SignedVerdicts(trial.name, trial.signing_keys)
    try:
        for row, headers in stream_with_headers(trial.kafka, trial.plan.of("verdict"), timeout_s):
            verdicts.take(row.key, row.value, headers.get(HEADER))
    except TopicMissing:
        return None
    bound_topics.refuse_other_topics(trial, bound_topics.read_starts(trial, timeout_s))
    return verdicts


def decide(verdicts: dict[str, bytes] | None, wanted: str, now_ms: int, max_age_ms: int) -> Answer:
    """The gate's answer from the last verdicts by revision; `wanted` is a revision or its beginning. Raises
    `ConfigError` if `wanted` fits several, `RecordError` if its verdict cannot be decoded."""
    if not verdicts:
        why = "there is no verdict topic" if verdicts is None else "the verdict topic is empty"
        return Answer("not_yet", [f"{why}: no window has been judged; is `judge` running with this config?"], wanted)
    fitting = [revision for revision in verdicts if revision.startswith(wanted)]
    if len(fitting) > 1:
        raise ConfigError(f"--revision {wanted!r} fits {len(fitting)} revisions: {', '.join(sorted(fitting))}")
    if not fitting:
        others = ", ".join(sorted(revision[:16] for revision in verdicts)[:5])
        return Answer("not_yet", [f"no verdict for revision {wanted[:16]}; there are verdicts for {others}"], wanted)
    verdict = _decoded(verdicts[fitting[0]], fitting[0])
    age_ms = now_ms - verdict["evaluated_at_ms"]
    if abs(age_ms) > max_age_ms:
        age = f"{age_ms / 1000:.0f} s old" if age_ms > 0 else f"{-age_ms / 1000:.0f} s ahead of this machine's clock"
        reason = f"the verdict ({verdict['decision']}) is {age}; at most {max_age_ms / 1000:g} s count (--max-age)"
        return Answer("not_yet", [reason], fitting[0], verdict)
    return Answer(verdict["decision"], list(verdict["reasons"]), fitting[0], verdict)


def proven(answer: Answer, verdicts: SignedVerdicts) -> Answer:
    """The answer with its signature, and not yet where the trial has keys and none of them has signed the verdict."""
    if answer.verdict is None:
        return answer
    revision, signature = answer.revision, verdicts.signatures.get(answer.revision)
    if signature is not None:
        value = base64.b64encode(verdicts.last[revision]).decode()
        answer = replace(answer, signed={"value": value, "signature": signature})
    if (problem := verdicts.problems.get(revision)) is None:
        return answer
    reason = f"{UNPROVEN}the judge's ({answer.decision.replace('_', ' ')}): {problem}; `verify` shows more"
    return replace(answer, decision="not_yet", reasons=[reason])


def aged(answer: Answer, trial: Config, now_ms: int, max_age_ms: int) -> Answer:
    """The answer, without a promote if the newest data are too old: a judge that keeps running creates no new evidence.

    In an unbounded trial, the last closed window must have ended within `max_age_ms` plus two windows and the grace,
    which a window takes to close. A bounded trial judges records of any age, so only its evaluation has an age.
    """
    verdict = answer.verdict
    if answer.decision != "promote" or verdict is None or trial.bounded or verdict["final"] or verdict["to_ms"] is None:
        return answer
    age_ms, limit_ms = now_ms - verdict["to_ms"], max_age_ms + 2 * trial.judge.window_ms + trial.grace_ms
    if age_ms <= limit_ms:
        return answer
    reason = (
        f"{AGED}{utc_text(verdict['to_ms'])}, {age_ms / 3_600_000:.4g} h ago; at most "
        f"{limit_ms / 3_600_000:.4g} h count (--max-age, two windows and the grace): check that runner and joiner are "
        "running; for a trial of old records set bounded: true or a larger --max-age"
    )
    return replace(answer, decision="not_yet", reasons=[reason, *answer.reasons])


def approved(answer: Answer, trial: Config, approvals: Mapping[str, dict[str, Any]], path: str) -> Answer:
    """The answer, without a promote that waits for a person's approval (`judge.approval: manual`).

    The judge's record counts, and so does a command that it has not read: the judge of a bounded trial has ended.
    `approvals`: the last one of each revision.
    """
    verdict = answer.verdict
    if verdict is None or answer.decision != "promote":
        return answer
    approval = verdict["approval"]
    if approval is None:
        if trial.judge.approval == "automatic":
            return answer
        reasons = [f"{WAITS}judge.approval is manual here, and the judge ran without it; restart it with this config"]
    else:
        if not approval["approved"]:
            approval = approval_of(approval["promote_since_ms"], approvals.get(answer.revision))
            answer = replace(answer, verdict=verdict | {"approval": approval})
        if approval["approved"]:
            return answer
        reasons = waiting(approval, path)
    return replace(answer, decision="not_yet", reasons=[*reasons, *answer.reasons])


def overridden(answer: Answer, commands: Mapping[str, dict[str, Any]], now_ms: int) -> Answer:
    """The answer with an operator's valid decision for this revision, if there is one. Without a verdict of the
    revision, nothing is overridden: the operator would have no evidence to look at."""
    command = commands.get(answer.revision)
    if command is None or answer.verdict is None:
        return answer
    if command["until_ms"] is not None and command["until_ms"] <= now_ms:
        ended = f"the override to {command['decision']} by {command['by']} ended at {utc_text(command['until_ms'])}"
        return replace(answer, reasons=[*answer.reasons, ended])
    until = "" if command["until_ms"] is None else f" until {utc_text(command['until_ms'])}"
    given = f"by {command['by']} at {utc_text(command['at_ms'])}{until}: {command['reason']}"
    reason = f"overridden to {command['decision']} {given}"
    instead = f"without it: {answer.decision.replace('_', ' ')}"
    reasons = [reason, *(f"{instead}: {text}" for text in answer.reasons)]
    return replace(answer, decision=command["decision"], reasons=reasons, override=command)


def facts(answer: Answer, trial: Config, now_ms: int) -> dict[str, Any]:
    """The answer for programs, without the evidence. Times, `final` and `judged` are None without a verdict."""
    at_ms = answer.verdict["evaluated_at_ms"] if answer.verdict else None
    return {
        "name": trial.name,
        "revision": answer.revision,
        "decision": answer.decision,
        "reasons": answer.reasons,
        "evaluated_at_ms": at_ms,
        "age_s": None if at_ms is None else round((now_ms - at_ms) / 1000, 1),
        "final": answer.verdict["final"] if answer.verdict else None,
        "judged": answer.verdict["decision"] if answer.verdict else None,
        "override": answer.override,
        "exit_code": int(answer.exit_code),
    }


def _refused(record: Mapping[str, Any], why: str) -> str:
    decision = f" to {record['decision']}" if record["decision"] else ""
    return f"refused: {record['command']}{decision} by {record['by']} at {utc_text(record['at_ms'])}: {why}"


def _decoded(raw: bytes, revision: str) -> dict[str, Any]:
    kind, verdict = own.decode(raw)
    if kind != "verdict" or verdict["revision"] != revision or verdict["decision"] not in CODES:
        raise ShadowstreamBug(
            f"the verdict topic holds under key {revision!r} a {kind} record with revision "
            f"{verdict.get('revision')!r} and decision {verdict.get('decision')!r}"
        )
    return verdict
