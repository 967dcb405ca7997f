"""Differences of losses and signed means that were cut to the bound; many worse ones are a reason for not yet.

What is cut is worse, or better, by an unknown amount. A candidate that seldom fails at a great price would look good.
"""

from collections.abc import Mapping

from shadowstream.config import Config, Criterion
from shadowstream.judge.criteria import OVER, SHIFT, UNDER, by_prefix, mean_of
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.part_figures import scope_of

OVER_MAX = 0.01
"""Greatest share of the pairs in which the candidate may be worse by more than the bound."""


def blockers(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return the reasons against promote: criteria whose mean hides too much."""
    return [
        f"{criterion.id}: in {percent(over / n)} of the pairs ({over:,} of {n:,}) "
        f"{criterion.judged or 'the candidate'} is worse by more than "
        f"the bound {criterion.bound:g} or has no usable answer, at most {percent(OVER_MAX)} may be: the mean counts "
        "them as the bound and hides how bad they are. Set a greater bound, or mend these answers"
        for criterion, n, over, _ in _cut(config, figures)
        if over > n * OVER_MAX
    ]


def caveats(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return the number of cut differences of each criterion that has some."""
    return [
        f"{criterion.id}: of {n:,} pairs {over:,} are worse and {under:,} better by more than the bound "
        f"{criterion.bound:g}, and count as the bound"
        for criterion, n, over, under in _cut(config, figures)
    ]


def _cut(config: Config, figures: Mapping[str, int]) -> list[tuple[Criterion, int, int, int]]:
    found = []
    for criterion in config.judge.criteria:
        if not criterion.is_signed or criterion.muted:
            continue
        own = by_prefix(scope_of(criterion), figures) if scope_of(criterion) else figures
        over, under = (own.get(f"{SHIFT}{criterion.sums}/{name}", 0) for name in (OVER, UNDER))
        n = own.get(mean_of(criterion), 0)
        if n > 0 and (over > 0 or under > 0):
            found.append((criterion, n, over, under))
    return found
