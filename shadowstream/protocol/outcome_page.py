"""docs/outcomes.md, from the table of outcomes.

``python -m shadowstream.protocol.outcome_page > docs/outcomes.md``; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shadowstream.protocol.outcomes import RULES, Corrected, Outcome, Rule

_HEAD = """\
# Outcomes

Made from `shadowstream/protocol/outcomes.py` by `python -m shadowstream.protocol.outcome_page`; a test compares.

Each record of production, of the candidate and of a twin ends in exactly one outcome. The list is closed. `diff` has a
row for each outcome but plain matches, of which it has a sample (`compare.match_sample`). [Pairing](pairing.md) shows
how records find each other, [judging](judging.md) what the judge makes of the counts.

| outcome | means | ends a record of | compared | row in diff |
|---|---|---|---|---|
"""
_RATES = """
## Outcomes in rates

A rate is bad units by units. An outcome that lowers coverage is a unit of no rate but `error`. `input`, `input_failed`
and `input_undecodable` are counts of the runner; the first two are units and bad units of `error`. What an outcome
excuses, and the rates of a candidate with a topic of its own, stand in `shadowstream/judge/criteria.py`.

| outcome | agrees with production | unit of | bad unit of | lowers the coverage of | taken back by a late partner |
|---|---|---|---|---|---|
"""
_CAUSES = """
## Records without a partner by cause

The runner's marks name why an input has no output (`absences` of `mark` in [topics](topics.md)). Production's record of
that input ends so; an unknown cause counts as `error`. The candidate pays for a failure of its own.

| cause in the marks | outcome of production's record | the candidate pays |
|---|---|---|
"""


def page() -> str:
    """Return the whole document."""
    first = (_first(one, rule) for one, rule in RULES.items())
    rates = (_second(one, rule) for one, rule in RULES.items())
    return _HEAD + _lines(first) + _RATES + _lines(rates) + _CAUSES + _lines(_causes())


def _lines(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _first(one: Outcome, rule: Rule) -> tuple[str, ...]:
    sides = ", ".join(side.word for side in rule.ends)
    return f"`{one}`", rule.means, sides, rule.pair.value if rule.pair else "", "a sample" if rule.sampled else "each"


def _second(one: Outcome, rule: Rule) -> tuple[str, ...]:
    lowers = "its own side" if one is Outcome.EVICTED else rule.lowers.word if rule.lowers is not None else ""
    corrected = "" if rule.corrected is Corrected.NEVER else rule.corrected.value
    rates = (", ".join(f"`{rate}`" for rate in names) for names in (rule.units, rule.bad))
    return f"`{one}`", "yes" if rule.agrees else "", *rates, lowers, corrected


def _causes() -> Iterator[tuple[str, ...]]:
    for one, rule in RULES.items():
        if rule.cause is not None:
            yield f"`{rule.cause}`", f"`{one}`", "yes" if rule.candidate_failed else ""


if __name__ == "__main__":
    print(page(), end="")
