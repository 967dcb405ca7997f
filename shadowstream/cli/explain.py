"""`explain`: why the candidate is not promoted, and what would be needed. Exit code 0 when it could say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import typer

from shadowstream.cli.answer import READ_TIMEOUT_S, Answer, MaxAge, Revision, question
from shadowstream.cli.output import ConfigPath, Json, put, put_json, put_wrapped, say
from shadowstream.judge.verdict.explain import Explanation, explain, span
from shadowstream.kafka.role_progress import look
from shadowstream.kafka.trial.trial_begin import began_of


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("explain")(explain_)


def explain_(config: ConfigPath, revision: Revision = None, max_age: MaxAge = "1h", as_json: Json = False) -> None:
    """Say where each criterion stands, what else is in the way, and what to do about it: records and hours."""
    asked = question(config, revision, max_age)
    answer, trial = asked.ask(), asked.trial
    explanation = explained(answer)
    began = began_of(trial, answer.revision, READ_TIMEOUT_S)
    still = look(trial, began is not None and began.waits) if answer.decision == "not_yet" else []
    if as_json:
        where = None if began is None else {**began._asdict(), "sentence": began.sentence}
        put_json(
            {"name": trial.name, "revision": answer.revision, "began": where, **told(explanation), "standstill": still}
        )
        return
    decision, *rest = lines(explanation, answer.verdict, still)
    put(decision)
    if began is not None:
        put_wrapped(f"  {began.sentence}")
    elif answer.verdict is None:
        put("  has not begun: no runner has pinned where")
    for line in rest:
        put_wrapped(line.replace("CONFIG", config))
    say(f"trial {trial.name!r}, revision {answer.revision}")


def explained(answer: Answer) -> Explanation:
    """The gate's answer explained, also where there is no verdict."""
    if answer.verdict is None:
        todo = (
            "start the roles with this very config (`shadowstream up CONFIG`), or ask with --revision for what has run",
        )
        return Explanation(answer.decision, (), tuple(answer.reasons), todo)
    if answer.override is None:
        return explain(answer.verdict, answer.decision, answer.reasons)
    # What the evidence says is explained all the same: an override does not change it.
    found = explain(answer.verdict, answer.verdict["decision"], answer.verdict["reasons"])
    back = "`shadowstream override CONFIG --decision none --by WHO --reason WHY` takes the override back"
    blockers = (answer.reasons[0], *found.blockers)
    return replace(found, decision=answer.decision, blockers=blockers, todo=(back, *found.todo))


def told(explanation: Explanation) -> dict[str, Any]:
    """As --json prints it."""
    criteria = [
        {"met" if name == "passed" else name: item for name, item in asdict(one).items()}
        for one in explanation.outlooks
    ]
    parts = asdict(explanation)
    del parts["outlooks"]
    return {**parts, "criteria": criteria}


def lines(explanation: Explanation, verdict: dict[str, Any] | None, still: Sequence[str] = ()) -> list[str]:
    """As text: the decision, what it rests on, a line a criterion, what else is in the way, who does not go on, what
    to do."""
    said = [explanation.decision.replace("_", " ")]
    if verdict is not None:
        said += [f"  {span(verdict)}", *(f"  {note}" for note in explanation.notes)]
    for one in explanation.outlooks:
        said.append(f"  {one.sentence}")
        said += [f"    {why}" for why in one.why]
    why = "why it is rejected:" if explanation.decision == "reject" else "in the way:"
    for title, parts in (
        (why, explanation.blockers),
        ("who does not go on:", still),
        ("incidents:", explanation.incidents),
        ("where the excess lies:", explanation.slices),
        ("what to do:", explanation.todo),
    ):
        said += [title, *(f"  {one}" for one in parts)] if parts else []
    return said
