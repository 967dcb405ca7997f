"""How much of what one side lacks records of the other side may explain that were never compared.

A record of production that could not be read, paired or kept may have been the partner of any extra. So an extra is
shown bad only beyond the number of such records; likewise a missing one beyond those of the candidate. Promote is
decided by the whole number, as ever: nothing here makes a criterion good.

=========  ==================================================================================================
criterion  explained by
=========  ==================================================================================================
extra      undecodable, unpairable and repeated production; evicted; duplicate production, where the id is the
           input, of which a second output may be equal
missing    repeated shadow; evicted; undecodable shadow, where the id is in the value and error counts it;
           duplicate shadow of a job of its own, whose records do not name their input
=========  ==================================================================================================

A candidate's record without an id (`unpairable_shadow`) explains nothing: it is the candidate's own fault, and missing
is the only rate that it counts in.

The numbers come from the same windows and corrections as the rate. The explained are subtracted from running totals
and not window by window: a record without a partner and what may be its partner can differ in event time. So a reject
is withdrawn too if what may explain it comes later, as long as corrections of its window may come (`levels`).

Worked: production writes 4,000 records without the header that names their input, the candidate 4,000 good ones. All
4,000 are extra and all may be explained: 0 are shown bad, so this is no reject (tests/judge/test_explained.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from shadowstream.config import Config, Criterion
from shadowstream.judge.evidence import log_e_above, log_e_below, lower_limit, upper_limit
from shadowstream.judge.grid import SUMS, GridSums
from shadowstream.judge.measures import Buckets, ByBlock, ByRecord, Measure, Numbers, measure_of

EXPLAINED_MAX = 0.1
"""Share of the bad records that may be explained under unit block, for shares to be shown bad."""
NOT_FOR_A_REJECT = "were never compared; those do not count for a reject"
OF_EXTRA = ("undecodable_production", "unpairable_production", "repeated_production", "evicted")


def explaining(rate: str, config: Config) -> tuple[str, ...]:
    """Outcomes of records that may be partners of what a rate counts as bad.

    >>> from shadowstream.config import Config
    >>> explaining("mismatch", Config.model_construct())
    ()
    """
    if rate == "extra":
        return (*OF_EXTRA, "duplicate_production") if config.identity.kind == "coordinate" else OF_EXTRA
    if rate != "missing":
        return ()
    in_value = config.identity.kind == "id" and config.identity.path is not None
    return (
        *("repeated_shadow", "evicted"),
        *(("undecodable_shadow",) if in_value else ()),
        *(("duplicate_shadow",) if config.candidate.topic is not None else ()),
    )


class ExplainedByRecord(ByRecord):
    """Each record is a unit. Numbers: units, bad ones, records that may explain bad ones."""

    def __init__(self, criterion: Criterion, config: Config) -> None:
        super().__init__(criterion, config)
        self._explaining = explaining(criterion.rate, config)

    @property
    def nothing(self) -> Numbers:
        """No unit, none bad, nothing explained."""
        return (0, 0, 0)

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """What a window or a correction of it holds."""
        return (*self.counts(figures), sum(figures.get(name, 0) for name in self._explaining))

    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """Below by all bad ones, above by those that nothing explains."""
        n, s = amount[:2]
        return log_e_below(n, s, self.limit), log_e_above(n, int(self.shown_bad(amount)), self.limit)

    def limits(self, amount: Numbers) -> tuple[float, float] | None:
        """The lower one by those that nothing explains."""
        n, s = amount[:2]
        return lower_limit(n, int(self.shown_bad(amount)), self.alpha), upper_limit(n, s, self.alpha)

    def watched(self, figures: Mapping[str, int], buckets: Buckets) -> tuple[tuple[int, float], tuple[int, float]]:
        """Without the bad ones that records of the same window may explain."""
        (n, _), _ = super().watched(figures, buckets)
        return ((n, self.shown_bad(self.raw(figures, buckets))),) * 2 if n else ((0, 0), (0, 0))

    def shown_bad(self, amount: Numbers) -> float:
        """The bad ones that nothing explains."""
        return max(0, amount[1] - max(0, amount[2]))

    def explained_by(self, amount: Numbers, whole: Numbers) -> Numbers:
        """The amount with all that may explain its bad ones: which window a partner is of nobody knows."""
        return (*amount[:2], whole[2])

    def doubt(self, amount: Numbers) -> list[str]:
        """How many bad ones may be explained, as a sentence."""
        return _doubt(self.id, amount[1], amount[2])


class ExplainedByBlock(ByBlock):
    """The share of each window is a unit. Behind the sums: bad records and records that may explain them, in all."""

    def __init__(self, criterion: Criterion, config: Config) -> None:
        super().__init__(criterion, config)
        self._explaining = explaining(criterion.rate, config)

    @property
    def nothing(self) -> Numbers:
        """No unit, the sums of none, nothing explained."""
        return (*super().nothing, 0, 0)

    @property
    def untouched(self) -> Numbers:
        """No record."""
        return (0, 0, 0)

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """What a window or a correction of it holds."""
        return (*self.counts(figures), sum(figures.get(name, 0) for name in self._explaining))

    def amount(self, raw: Numbers) -> Numbers:
        """One unit, if the window holds a record."""
        return (*super().amount(raw), raw[1], raw[2])

    def watched(self, figures: Mapping[str, int], buckets: Buckets) -> tuple[tuple[int, float], tuple[int, float]]:
        """Without the bad ones that records of the same window may explain."""
        n, s, explained = self.raw(figures, buckets)
        left = max(0, s - max(0, explained))
        share = super().amount((n, left)) if 0 <= s <= n else super().nothing
        return ((n, left), (share[0], self.bad((*share, 0, 0)))) if share[0] else ((0, 0), (0, 0))

    def shown_bad(self, amount: Numbers) -> float:
        """The sum of the shares, or nothing where more than a tenth of the bad records may be explained: shares cannot
        be taken back one by one."""
        return self.bad(amount) if EXPLAINED_MAX * amount[-2] >= max(0, amount[-1]) else 0.0

    def explained_by(self, amount: Numbers, whole: Numbers) -> Numbers:
        """The amount with all that may explain its bad ones."""
        return (*amount[:-1], whole[-1])

    def doubt(self, amount: Numbers) -> list[str]:
        """How many bad records may be explained, as a sentence."""
        return _doubt(self.id, amount[-2], amount[-1])

    def _grid(self, amount: Numbers) -> GridSums:
        return super()._grid(amount[: 1 + SUMS])


def is_doubt(reason: str, criterion: str = "") -> bool:
    """Whether a reason of a verdict says that bad units of a criterion, or of any, may be explained."""
    return reason.startswith(criterion) and reason.endswith(NOT_FOR_A_REJECT)


def _doubt(name: str, bad: int, explained: int) -> list[str]:
    if bad <= 0 or explained <= 0:
        return []
    side = "production" if name == "extra" else "the candidate"
    return [
        f"{name}: up to {min(bad, explained)} of {bad} may have their partner among {explained} records of {side} that "
        f"{NOT_FOR_A_REJECT}"
    ]


def explained_measure_of(criterion: Criterion, config: Config) -> Measure:
    """The measure of a criterion, with what explains its bad ones where something can."""
    if not explaining(criterion.rate, config):
        return measure_of(criterion, config)
    kinds = {"record": ExplainedByRecord, "block": ExplainedByBlock}
    return kinds[criterion.unit](criterion, config)
