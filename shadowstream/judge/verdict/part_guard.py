"""Guard of the parts of a trial: coverage of each declared value and output topic, and rates by topic.

The whole may be covered to 99.5 % while one tenant, or one output topic, is never compared at all. So the guard tests
the coverage of each value of a dimension and of each output topic against `judge.min_coverage` on either side, and each
output topic against the limit of each criterion of whole records. The tests share the level of the slice guard
(`slice_guard.level_of`): E_above of a part's own records must show it bad.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from shadowstream.compare.dimension_codes import OTHER, UNDECODABLE
from shadowstream.config import Config
from shadowstream.judge.coverage.coverage import SIDES, Share, lowered_by, share_of
from shadowstream.judge.criteria import RATES
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import log_e_above
from shadowstream.judge.part_figures import PAIRS, outcomes_by_topic
from shadowstream.judge.verdict.criterion_units import Measure

_LEAST_LOST, _LARGEST_LOSSES = 0.001, 0.999
_OF_TOPIC = {"mismatch": "differ", "missing": "have no partner", "extra": "have no partner"}
OTHERS_SHARE = 0.01


def uncovered_values(
    config: Config, need: float, values: Mapping[tuple[str, str], Counter[str]]
) -> tuple[list[str], list[str]]:
    """Return reasons for values whose records were not compared, and caveats for values of unknown coverage."""
    reasons, caveats = [], []
    for (dimension, value), counts in sorted(values.items()):
        if value == UNDECODABLE:
            continue  # records without any value: the coverage of the whole covers them
        sentences = _uncovered(
            config, need, f"slice {dimension}={value}", Counter(counts) + Counter(match=counts[PAIRS])
        )
        reasons += [f"{figures}; judge.slices: show lets slices decide nothing" for figures in sentences]
        everything = sum(counts[PAIRS] for name, counts in values.items() if name[0] == dimension)
        if value == OTHER and counts[PAIRS] >= OTHERS_SHARE * everything > 0:
            caveats.append(
                f"dimension {dimension}: {percent(counts[PAIRS] / everything)} of the pairs have values beyond the "
                f"{config.compare.values_max} of compare.values_max and are judged together: one that is bad may hide "
                "among them; raise compare.values_max, or name it in a criterion with where"
            )
    return reasons, caveats


def bad_topics(
    config: Config, need: float, measures: Sequence[Measure], figures: Mapping[str, int]
) -> tuple[list[str], list[str]]:
    """Return reasons for output topics that were not compared or are over a limit, and caveats for empty ones."""
    if len(config.production.outputs) < 2:
        return [], []
    reasons, caveats = [], []
    by_topic = outcomes_by_topic(figures)
    for topic in config.production.outputs:
        outcomes = by_topic.get(topic, Counter())
        if not any(share_of(side, outcomes).total for side in SIDES):
            caveats.append(f"output topic {topic}: no record of it has been compared, so nothing is known of it")
            continue
        reasons += _uncovered(config, need, f"output topic {topic}", outcomes)
        reasons += [
            sentence
            for measure in measures
            if (sentence := _over(measure, need, topic, outcomes, measures)) is not None
        ]
    return reasons, caveats


def _uncovered(config: Config, need: float, part: str, outcomes: Mapping[str, int]) -> list[str]:
    min_coverage = config.judge.min_coverage
    lost_max = min(max(1.0 - min_coverage, _LEAST_LOST), _LARGEST_LOSSES)
    for side in SIDES:
        share = share_of(side, outcomes)
        if share.value is None or share.value >= min_coverage or log_e_above(share.total, share.lost, lost_max) < need:
            continue
        return [
            f"{part}: {_covered(share)}; judge.min_coverage asks for {percent(min_coverage)}: {_why(share, outcomes)}"
        ]
    return []


def _covered(share: Share) -> str:
    whose = "production's" if share.side == "production" else "the candidate's"
    return f"{percent(share.value or 0.0)} of {whose} records ({share.judged:,} of {share.total:,}) were compared"


def _why(share: Share, outcomes: Mapping[str, int]) -> str:
    return lowered_by(share, outcomes, {})[0]


def _over(
    measure: Measure, need: float, topic: str, outcomes: Mapping[str, int], measures: Sequence[Measure]
) -> str | None:
    """Return the reason why a topic is over the limit of a criterion of all topics.

    None if it is not, or if the topic has a criterion of its own.
    """
    rate, criterion = measure.criterion.rate, measure.criterion
    own = any(each.criterion.rate == rate and each.criterion.topic == topic for each in measures)
    if rate not in _OF_TOPIC or own or criterion.muted or criterion.where or criterion.topic:
        return None
    n, s = RATES[rate].counts(outcomes)
    # Lost records of the other side may be the partners: then coverage is the fault there.
    s -= {"extra": share_of("production", outcomes).lost, "missing": share_of("candidate", outcomes).lost}.get(rate, 0)
    if not 0 < s <= n or s <= n * measure.limit or log_e_above(n, s, measure.limit) < need:
        return None
    return (
        f"output topic {topic}: {s:,} of {n:,} {RATES[rate].units} ({percent(s / n)}) {_OF_TOPIC[rate]}, which is "
        f"shown to be over the limit {percent(measure.limit)} of {measure.id}. Mend the candidate there, or give "
        f"{rate} a criterion with topic: {topic} and a limit of its own"
    )
