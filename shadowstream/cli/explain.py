"""`explain`: the obstacles to a promote, and the evidence that is still needed. Exit code 0 if it could explain
them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from shadowstream.cli.answer import READ_TIMEOUT_S, Answer, MaxAge, Revision, question
from shadowstream.cli.output import DECISION_STYLES, ConfigPath, Json, put, put_json, put_styled, put_wrapped, say
from shadowstream.cli.status import status_now
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.judge.verdict.explain import Explanation, explain, span
from shadowstream.kafka.role_progress import find_obstacles
from shadowstream.kafka.trial.expiry import expiring
from shadowstream.kafka.trial.trial_begin import began_of
from shadowstream.status.lines import open_lines


def register(app: typer.Typer) -> None:
    app.command("explain")(explain_)


def explain_(
    config: ConfigPath,
    revision: Revision = None,
    max_age: MaxAge = "1h",
    proof: Annotated[
        str | None, typer.Option(metavar="FILE", help="show the sensitivity that `prove --out FILE` found")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say where each criterion stands, what else is in the way, and what to do about it: records and hours."""
    asked = question(config, revision, max_age)
    answer, trial = asked.ask(), asked.trial
    proved = None if proof is None else _proved(proof, trial)
    explanation = explained(answer)
    began = began_of(trial, answer.revision, READ_TIMEOUT_S)
    still = find_obstacles(trial, began is not None and began.waits) if answer.decision == "not_yet" else []
    now = status_now(trial, answer)
    soon = expiring(trial)
    if as_json:
        where = None if began is None else {**began._asdict(), "sentence": began.sentence}
        asked_for = {"name": trial.name, "revision": answer.revision, "began": where}
        beside = {"standstill": still, "expiring": soon, "open": [asdict(w) for w in now.windows]}
        beside |= {} if proved is None else {"sensitivity": proved}
        put_json({**asked_for, **as_data(explanation), **beside})
        return
    decision, *rest = lines(explanation, answer.verdict, still, soon)
    put_styled(decision, f"bold {DECISION_STYLES[explanation.decision]}")
    if began is not None:
        put_wrapped(f"  {began.sentence}")
    elif answer.verdict is None:
        put("  has not begun: no runner has pinned where")
    sensitivity = [] if proved is None else ["sensitivity:", *(f"  {line}" for line in proved)]
    for line in [*rest, *open_lines(now), *sensitivity]:
        put_wrapped(line.replace("CONFIG", config))
    say(f"trial {trial.name!r}, revision {answer.revision}")


def _proved(path: str, trial: Config) -> list[str]:
    """Return the sensitivity in a file of `prove`. Raises `ConfigError` if it is of other criteria, or no such file."""
    from shadowstream.judge.verdict.verdict import criteria_hash  # loads NumPy, as most calls need not

    try:
        found = json.loads(Path(path).read_text("utf-8"))
        lines, criteria = [str(line) for line in found["statement"]], found["criteria_hash"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"--proof {path}: no result of `prove --out` can be read there: {error}") from error
    if criteria != criteria_hash(trial):
        raise ConfigError(
            f"--proof {path}: it holds for other criteria or rules than this config's: run `prove` again with this file"
        )
    return lines


def explained(answer: Answer) -> Explanation:
    """The explanation of the gate's answer, also without a verdict."""
    if answer.verdict is None:
        todo = (
            "start the roles with this very config (`shadowstream up CONFIG`), or ask with --revision for what has run",
        )
        return Explanation(answer.decision, (), tuple(answer.reasons), todo)
    if answer.override is None:
        return explain(answer.verdict, answer.decision, answer.reasons)
    # The evidence is explained even under an override, which does not change it.
    explanation = explain(answer.verdict, answer.verdict["decision"], answer.verdict["reasons"])
    back = "`shadowstream override CONFIG --decision none --by WHO --reason WHY` takes the override back"
    blockers = (answer.reasons[0], *explanation.blockers)
    return replace(explanation, decision=answer.decision, blockers=blockers, todo=(back, *explanation.todo))


def as_data(explanation: Explanation) -> dict[str, Any]:
    criteria = [
        {"met" if name == "passed" else name: item for name, item in asdict(outlook).items()}
        for outlook in explanation.outlooks
    ]
    parts = asdict(explanation)
    del parts["outlooks"]
    return {**parts, "criteria": criteria}


def lines(
    explanation: Explanation, verdict: dict[str, Any] | None, still: Sequence[str] = (), soon: Sequence[str] = ()
) -> list[str]:
    """The explanation as text. In this order: the decision and its basis, a line a criterion, the other obstacles, the
    roles without progress, records that expire soon, and the remedies."""
    printed = [explanation.decision.replace("_", " ")]
    if verdict is not None:
        printed += [f"  {span(verdict)}", *(f"  {note}" for note in explanation.notes)]
    for outlook in explanation.outlooks:
        printed.append(f"  {outlook.sentence}")
        printed += [f"    {why}" for why in outlook.why]
    why = "why it is rejected:" if explanation.decision == "reject" else "in the way:"
    for title, parts in (
        (why, explanation.blockers),
        ("no progress:", still),
        ("what expires soon:", soon),
        ("incidents:", explanation.incidents),
        ("where the excess lies:", explanation.slices),
        ("what to do:", explanation.todo),
    ):
        printed += [title, *(f"  {part}" for part in parts)] if parts else []
    return printed
