"""How each record of a trial must end: from the generator's truth alone, without a word of the joiner's."""

from collections.abc import Iterator
from typing import NamedTuple

from shadowstream.records import Side
from shadowstream.testing.simulation.failures import ABSENCES, LEFT_OUT
from shadowstream.testing.simulation.logs import Label
from shadowstream.testing.simulation.repeats import by_itself, partner
from shadowstream.testing.simulation.second_answers import KINDS, UNSTABLE_KINDS
from shadowstream.testing.simulation.truth import Truth, Unit, Written

AGREES = ("match", "tolerated", "ignored", "expected", "both_failed")
DIFFERS = {"tombstone", "differs", "failed", *KINDS}
NOT_BESIDE = ("undecodable_input", "warm_up", "uncompared", *LEFT_OUT)
ABSENT = {"error": "candidate_error", "undecodable": "undecodable_input"}


class Word(NamedTuple):
    """The last word on some records. Of several outcomes any will do; None under revisions or window: any."""

    records: tuple[Label, ...]
    outcomes: tuple[str, ...]
    revisions: tuple[str, ...] | None
    window: int | None
    ends: int = 0
    counts: tuple[str, ...] = ()


def compared(one: Written, other: Written) -> str:
    kinds, same = (one.kind, other.kind), one.label[::2] == other.label[::2]  # input and output
    if kinds[0] == kinds[1] and (same or one.kind == "tombstone"):
        return "match"
    if "broken" in kinds:
        return f"undecodable_{(one if one.kind == 'broken' else other).label.side.word}"
    if not (same and DIFFERS.isdisjoint(kinds)):
        return "mismatch"
    if "unanswered" in kinds or "unexplained" in kinds:
        return "uncompared"
    return "expected" if "declared" in kinds else "ignored" if "noisy" in kinds else "tolerated"


def unmatched(unit: Unit, one: Written, truth: Truth) -> tuple[str, tuple[str, ...] | None]:
    """Outcome and revisions of a record without its partner."""
    if one.label.side is not Side.PRODUCTION:
        shadow = one.label.side is Side.SHADOW
        return (("warm_up" if unit.warm else "extra"), (one.revision,)) if shadow else ("twin_extra", None)
    if unit.warm or one.below_e1:
        return "warm_up", None
    if absence := unit.input.absence:
        if one.kind == "failed" and truth.setup.fails_by and absence in ABSENCES:
            return "both_failed", (unit.revision,)
        return ABSENT.get(absence, absence), (unit.revision,)
    if truth.setup.identity == "coordinate":
        return "missing", (one.revision,)
    beyond = {floor is not None and one.time_ms > floor for floor in truth.floors}
    by_time = truth.revisions if len(beyond) > 1 or None in truth.floors else truth.revisions[-max(beyond) :][:1]
    return "missing", (one.revision, *by_time)


def words(truth: Truth, unit: Unit) -> Iterator[Word]:
    setup = truth.setup
    free: list[list[Written]] = [[], [], []]
    for side in setup.sides:
        for n, written in enumerate(unit.written[side]):
            if outcomes := by_itself(setup, unit, written, unit.written[side][:n]):
                yield Word((written.label,), outcomes, None, written.window)
            else:
                free[side].append(written)
    mine, shadows, twins = free
    if setup.many and mine and shadows and len(mine) != len(shadows):
        labels = (mine[0].label, shadows[0].label)
        yield Word(labels, ("cardinality",), (shadows[0].revision,), mine[0].window, len(mine) + len(shadows))
        return
    apart = setup.many or setup.identity == "coordinate"
    left = [s for s in shadows if setup.many and s.label.k not in [p.label.k for p in mine]]
    for n, p in enumerate(mine):
        s, t = partner(p, shadows, n, apart) or (left.pop(0) if left else None), partner(p, twins, n, apart)
        outcome, revisions = (compared(p, s), (s.revision,)) if s else unmatched(unit, p, truth)
        if setup.rechecks and s and outcome == "mismatch" and s.kind in UNSTABLE_KINDS:
            outcome = "unstable"
        counts: tuple[str, ...] = ()
        beside = compared(p, t) if t else "missing"
        if setup.twin and beside != "uncompared" and outcome not in NOT_BESIDE:
            differ = 2 * (beside not in AGREES) + (outcome not in AGREES)
            counts = (f"twin_{beside}", f"joint_{('neither', 'shadow', 'twin', 'both')[differ]}")
        ends, named = "warm_up" if unit.warm else outcome, tuple(x.label for x in (p, s, t) if x)
        yield Word(named, (ends,), revisions, p.window, counts=counts)
    for others in (shadows, twins):
        for n, x in enumerate(others):
            unmet = n >= len(mine) if not apart else setup.many or all(x.label.k != p.label.k for p in mine)
            if not mine or (unmet and not setup.many):
                outcome, revisions = unmatched(unit, x, truth)
                yield Word((x.label,), (outcome,), revisions, x.window)
