"""Caveats on evidence that is thinner than its counts: excused pairs, a noisy twin, few windows or keys.

They use counts alone and block nothing; each names its share and the next step.
"""

from collections.abc import Mapping

from shadowstream.config import Config
from shadowstream.judge.coverage.coverage import declared_share
from shadowstream.judge.criteria import RATES
from shadowstream.judge.evidence.design_effect import BLOCKS_MIN, KEYS_MIN
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.count_names import LABELS
from shadowstream.protocol.outcomes import DECLARED, PAIRS, Outcome

EXCUSED_SHARE = 0.2
"""Share of pairs excused by rules, tolerances or declared changes from which on a caveat names it."""
DECLARED_SHARE = 0.1
NOISE_SHARE = 0.05
WAITING_SHARE = 0.5
UNJUDGED_SHARE = 0.01
_EXCUSED = {
    Outcome.IGNORED: "differ in ignored fields only: see the rules with ignore, and compare.added_fields",
    Outcome.TOLERATED: "differ within a tolerance: see the tolerances of compare.rules",
    Outcome.EXPECTED: "differ as declared: see compare.expected and compare.added_fields",
}


def blind_spots(
    config: Config, outcomes: Mapping[str, int], windows: int, keys: int, *, final: bool = False
) -> list[str]:
    """Return the caveats.

    `windows`: closed windows with compared records. `keys`: buckets of keys with a pair. `final`: the trial has ended.
    """
    return [
        *_excused(outcomes),
        *_unjudged(config, outcomes),
        *_failed(outcomes),
        *_waiting(config, outcomes),
        *_noise(config, outcomes),
        *_clusters(windows, keys, final=final),
        *_declared(outcomes),
    ]


def _excused(outcomes: Mapping[str, int]) -> list[str]:
    pairs = sum(outcomes.get(name, 0) for name in PAIRS)
    return [
        f"{percent(outcomes[name] / pairs)} of the pairs {advice}"
        for name, advice in _EXCUSED.items()
        if pairs and outcomes.get(name, 0) >= EXCUSED_SHARE * pairs
    ]


def _unjudged(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Name differing pairs that no criterion judges."""
    judged = [
        criterion
        for criterion in config.judge.criteria
        if criterion.rate == "mismatch" and not (criterion.where or criterion.topic)
    ]
    n, s = RATES["mismatch"].counts(outcomes)
    if any(not criterion.muted for criterion in judged) or not s or s < UNJUDGED_SHARE * n:
        return []
    why = "mismatch is muted" if judged else "mismatch is not among judge.criteria"
    return [
        f"{percent(s / n)} of the pairs ({s:,} of {n:,}) differ, and {why}: only what the other criteria name is "
        "judged; see `shadowstream diff CONFIG`"
    ]


def _failed(outcomes: Mapping[str, int]) -> list[str]:
    """Name production's own failures, where the candidate is compared with nothing."""
    failed, total = outcomes.get(Outcome.BOTH_FAILED, 0), RATES["missing"].counts(outcomes).n
    if not failed or failed < EXCUSED_SHARE * total:
        return []
    return [
        f"{percent(failed / total)} of production's records say that production failed, and the candidate failed there "
        "too: nothing was compared in them; see whether production.error names failures only"
    ]


def _waiting(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Name pairs whose labels may still come: early labels may be of another kind."""
    if config.labels is None or not any(
        criterion.is_labelled and not criterion.muted for criterion in config.judge.criteria
    ):
        return []
    pairs, (*labelled, without) = sum(outcomes.get(name, 0) for name in PAIRS), (outcomes.get(x, 0) for x in LABELS)
    waiting = pairs - sum(labelled) - without
    if waiting <= WAITING_SHARE * pairs:
        return []
    return [
        f"labels: {percent(waiting / pairs)} of the pairs still wait for their label, {sum(labelled):,} of {pairs:,} "
        "have one: labels that come first may be of other pairs than those that come late; wait for labels.horizon_ms, "
        "or ask for more with min_units"
    ]


def _noise(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Name the difference of two runs of production: no candidate can be told apart below it."""
    both_differ, shadow, twin, neither = (
        outcomes.get(f"joint_{name}", 0) for name in ("both", "shadow", "twin", "neither")
    )
    total, noisy = both_differ + shadow + twin + neither, both_differ + twin
    if config.twin is None or not total or noisy < NOISE_SHARE * total:
        return []
    return [
        f"noise floor: production differs from its own second run in {percent(noisy / total)} of the pairs, "
        f"the candidate in {percent((both_differ + shadow) / total)}; a fault of that size is not seen: "
        "look at the fields that differ with the twin, and set rules for what is noise"
    ]


def _clusters(windows: int, keys: int, *, final: bool) -> list[str]:
    caveats = []
    longer = "run a new trial over more event time" if final else "let it run"
    if 0 < windows < BLOCKS_MIN:
        closed = "window has" if windows == 1 else "windows have"
        caveats.append(
            f"only {windows} {closed} closed, at least {BLOCKS_MIN} are needed to see whether bad ones cluster in "
            f"time: {longer}, or set a smaller judge.window_ms"
        )
    if 0 < keys < KEYS_MIN:
        caveats.append(
            f"all pairs are of {keys} {'key' if keys == 1 else 'keys'} (by bucket), at least {KEYS_MIN} are needed to "
            "see whether bad ones cluster by key: judge traffic with more keys"
        )
    return caveats


def _declared(outcomes: Mapping[str, int]) -> list[str]:
    return [
        f"{percent(share)} of production's records were left out as {name} ({DECLARED[Outcome(name)]}): nothing is "
        "known of them"
        for name, share in sorted(declared_share(outcomes).items())
        if share >= DECLARED_SHARE
    ]
