"""Status of a trial from one look at its topics and the gate's answer."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.judge.verdict.explain import incident_line
from shadowstream.judge.verdict.outlook import outlook_of
from shadowstream.records import Partition
from shadowstream.status.durations import STILL_MS
from shadowstream.status.figures import Role, Side, Status
from shadowstream.status.trial_view import TrialView

_SHOWN_BY = {"runner": "mark", "joiner": "statistics", "judge": "verdict", "labels": "statistics"}
"""The records that each role writes while it runs. The alerts role writes none."""


class Look(NamedTuple):
    """One look at a trial. `view`: None before its topics exist. `began`: its start as a sentence. `begins`: where the
    inputs began. `ends`: the ends of all partitions."""

    now_ms: int
    view: TrialView | None
    began: str | None
    begins: Mapping[Partition, int]
    ends: Mapping[Partition, int]


class Decision(NamedTuple):
    """The gate's answer, and the verdict behind it; None before there is one."""

    revision: str
    decision: str
    reasons: Sequence[str]
    verdict: Mapping[str, Any] | None


def status_of(config: Config, look: Look, answer: Decision) -> Status:
    """Return the status of a trial."""
    verdict, view = answer.verdict, look.view
    final = verdict is not None and bool(verdict["final"])
    last_ms = dict(view.last_ms) if view is not None else {}
    if verdict is not None:
        last_ms["judge"] = verdict["evaluated_at_ms"]
    sides = view.sides(look.now_ms, look.begins, look.ends) if view is not None else []
    status = Status(
        name=config.name,
        revision=answer.revision,
        candidate=config.candidate.shown,
        now_ms=look.now_ms,
        decision=answer.decision,
        final=final,
        answer=tuple(answer.reasons),
        began=look.began,
        sides=sides,
        criteria=[outlook_of(one, verdict) for one in verdict["criteria"]] if verdict is not None else (),
        incidents=[incident_line(one) for one in verdict["incidents"]] if verdict is not None else (),
        steered=verdict.get("steered", ()) if verdict is not None else (),
        roles=_roles(config, last_ms, look.now_ms, _resting(config, sides, final)),
        **_of_view(view),
    )
    return status


def _of_view(view: TrialView | None) -> dict[str, Any]:
    if view is None:
        return {}
    windows = view.windows
    return {
        "windows": view.open_windows(),
        "windows_closed": windows.closed,
        "passed_ms": view.passed_ms(),
        "holding": windows.holding(),
        "so_far": view.so_far(),
    }


def _resting(config: Config, sides: Sequence[Side], final: bool) -> Collection[str]:
    """Return the roles that need not write anything now: all that they read is done."""
    if final:
        return _SHOWN_BY
    outputs = [side.lag for side in sides[1:]]
    done = outputs and not any(outputs) and None not in outputs
    runner = {"runner"} if config.ends_itself and sides and sides[0].lag == 0 else set()
    return runner | ({"joiner", "labels"} if done else set())


def _roles(config: Config, last_ms: Mapping[str, int], now_ms: int, resting: Collection[str]) -> list[Role]:
    names = ["runner", "joiner", "judge", *(["labels"] if config.labels else [])]
    roles = []
    for name in names:
        at_ms = last_ms.get(name)
        healthy = name in resting or (at_ms is not None and now_ms - at_ms <= STILL_MS)
        roles.append(Role(name, at_ms, healthy, _SHOWN_BY[name]))
    return [*roles, Role("alerts", None, None, "")] if config.alerts.targets else roles
