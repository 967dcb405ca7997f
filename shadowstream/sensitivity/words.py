"""Findings of a proof as sentences: what the gate finds and how soon, what it cannot find, and what was not tried."""

from __future__ import annotations

from collections.abc import Sequence

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.outcomes import Outcome
from shadowstream.sensitivity.planted_runs import Ending
from shadowstream.sensitivity.proof import Finding, Found, Spread

_UNSEEN = {
    Outcome.MATCH: "equal by the rules",
    Outcome.TOLERATED: "within a tolerance",
    Outcome.IGNORED: "ignored",
    Outcome.EXPECTED: "a declared change",
}
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
SEEN = "seen by the rules, and judged:"
UNSEEN = "not seen by the rules, so the gate never finds it:"
UNTRIED = "not tried, because the values cannot be written so:"


def statement(findings: Sequence[Finding]) -> list[str]:
    """Return the sensitivity as lines; indented ones belong to the line before them."""
    several = len({one.topic for one in findings}) > 1
    names = [f"{one.topic}: {one.plant.words}" if several else one.plant.words for one in findings]
    judged: dict[tuple[str, ...], list[str]] = {}
    for name, one in zip(names, findings, strict=True):
        if one.seen:
            seen = "" if one.seen == 1 else f", seen in {percent(one.seen, 3)} of the copies"
            judged.setdefault(tuple(map(_sentence, one.found)), []).append(f"{name}{seen}")
    lines = [SEEN] if judged else []
    for sentences, plants in judged.items():
        lines += [f"  {'; '.join(plants)}", *(f"    {sentence}" for sentence in sentences)]
    named = list(zip(names, findings, strict=True))
    unseen = [f"  {name}: {why_unseen(one)}" for name, one in named if one.planted and not one.seen]
    untried = [f"  {'; '.join(words)}"] if (words := [name for name, one in named if not one.planted]) else []
    return [*lines, *([UNSEEN, *unseen] if unseen else []), *([UNTRIED, *untried] if untried else [])]


def why_unseen(finding: Finding) -> str:
    """Return the reason why the rules do not show a plant: the outcome of nearly all of its copies."""
    if finding.plant.path is None:
        return "the identity pairs the records all the same"
    name = max(finding.outcomes, key=lambda one: finding.outcomes[one])
    return _UNSEEN.get(Outcome(name), str(name))


def _sentence(found: Found) -> str:
    part = f"{percent(found.share, 3)} of the records"
    if found.affected != found.share:
        part = f"{percent(found.share, 3)} of the slice, {percent(found.affected, 3)} of all records"
    endings = [
        f"{ending} in {n} of {found.runs} runs{_after(found, ending)}" for ending, n in found.endings.items() if n
    ]
    return f"in {part}: {'; '.join(endings)}"


def _after(found: Found, ending: str) -> str:
    if ending == Ending.HELD:
        return f": {found.why}"
    if ending != Ending.REJECTED or found.records is None or found.span_ms is None:
        return ""
    low, high = (f"{records:,.0f}" for records in (found.records.low, found.records.high))
    after = f"after {found.records.median:,.0f} records (90 % of the runs: {low} to {high})"
    return f", {after}, {_duration(found.span_ms)} of event time"


def _duration(span_ms: Spread) -> str:
    """Return the median duration in the unit that people would use.

    >>> [_duration(Spread(0, ms, 0)) for ms in (5_400_000, 90_000, 400 * 3_600_000)]
    ['1.5 h', '1.5 min', '16.7 d']
    """
    if span_ms.median >= 72 * _HOUR_MS:
        return f"{span_ms.median / 24 / _HOUR_MS:.3g} d"
    hours = span_ms.median / _HOUR_MS
    return f"{hours:.3g} h" if hours >= 1 else f"{span_ms.median / _MINUTE_MS:.3g} min"
