"""Generator of docs/outcomes.md: ``python -m shadowstream.protocol.outcome_page > docs/outcomes.md``."""

from collections.abc import Iterable
from itertools import starmap

from shadowstream.protocol.outcomes import RULES, Correctable, Outcome, Rule

_HEAD = """\
# Outcomes

Made from `shadowstream/protocol/outcomes.py` by `python -m shadowstream.protocol.outcome_page`; a test compares.

Each record of production, of the candidate and of a twin ends in exactly one outcome. The list is closed. `diff` has a
row for each outcome, except plain matches: it has a sample of these (`compare.match_sample`). [Pairing](pairing.md)
shows how records find each other, [judging](judging.md) how the judge uses the counts.

| outcome | means | ends a record of | compared | row in diff |
|---|---|---|---|---|
"""
_RATES = """
## Outcomes in rates

A rate is the number of bad units divided by the number of units. An outcome that lowers coverage is a unit of no rate
except `error`. `input`, `input_failed` and `input_undecodable` are counts of the runner. The first two are units and
bad units of `error`. `shadowstream/judge/criteria.py` holds the excuses, and the rates of an external candidate.

| outcome | agrees with production | unit of | bad unit of | lowers the coverage of | corrected by a late partner |
|---|---|---|---|---|---|
"""
_CAUSES = """
## Records without a partner by cause

The runner's marks name why an input has no output (`absences` of `mark` in [topics](topics.md)). The cause decides the
outcome of production's record of that input. An unknown cause counts as `error`.

| cause in the marks | outcome of production's record | the candidate is charged |
|---|---|---|
"""


def page() -> str:
    causes = (_of_cause(one, rule) for one, rule in RULES.items() if rule.cause is not None)
    return (
        _HEAD
        + _lines(starmap(_meaning, RULES.items()))
        + _RATES
        + _lines(starmap(_rates, RULES.items()))
        + (_CAUSES + _lines(causes))
    )


def _lines(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _meaning(one: Outcome, rule: Rule) -> tuple[str, ...]:
    sides = ", ".join(side.word for side in rule.ends)
    return f"`{one}`", rule.means, sides, rule.pair.value if rule.pair else "", "a sample" if rule.sampled else "each"


def _rates(one: Outcome, rule: Rule) -> tuple[str, ...]:
    lowers = "its own side" if one is Outcome.EVICTED else rule.lowers.word if rule.lowers is not None else ""
    corrected = "" if rule.corrected is Correctable.NEVER else rule.corrected.value
    rates = (", ".join(f"`{rate}`" for rate in names) for names in (rule.units, rule.bad))
    return f"`{one}`", "yes" if rule.agrees else "", *rates, lowers, corrected


def _of_cause(one: Outcome, rule: Rule) -> tuple[str, ...]:
    return f"`{rule.cause}`", f"`{one}`", "yes" if rule.candidate_failed else ""


if __name__ == "__main__":
    print(page(), end="")
