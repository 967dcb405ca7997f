"""Observations beside the rates of criteria: a one-sided shift, failing checks of production, the noise by field."""

import math
from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.criteria import CHECK, NOISE, SHIFT, agreed_of, by_prefix, mean_name
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import log_e_above
from shadowstream.judge.part_figures import scope_of
from shadowstream.judge.verdict import cut_differences
from shadowstream.protocol.count_names import RECHECK_SKIPPED, RECHECK_UNANSWERED, TWIN
from shadowstream.protocol.outcomes import PAIRS

SHIFT_UNIT = 2.0**-32
"""Unit in which the joiner sums signed differences (joiner/accounting/signed_shifts.py)."""
NOISE_MAX = 20
NAMED_MAX = 5


def side_notes(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return all of them as caveats."""
    return [
        *shifts(config, figures),
        *cut_differences.caveats(config, figures),
        *noise_caveats(config, figures),
        *failed_checks(config, figures),
        *rechecks(config, figures),
        *shown_texts(config),
    ]


def shown_texts(config: Config) -> list[str]:
    """Return a caveat that texts of values are shown, which is a decision of the config."""
    if config.compare.examples.values != "shown":
        return []
    covered = " beside what compare.redact covers" if config.compare.redact is not None else ""
    return [
        f"texts of values are shown{covered} (compare.examples.values: shown): differences, dead letters and messages "
        "of exceptions hold them"
    ]


def shifts(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return caveats for means whose differences mostly have one sign.

    The sign test over the differing pairs is valid however often it is looked at.
    """
    means = [
        criterion
        for criterion in config.judge.criteria
        if criterion.rate == "mean" and not (criterion.signed or criterion.where or criterion.topic or criterion.muted)
    ]
    caveats = []
    for criterion in means:
        path, bound = criterion.path or "", criterion.bound or 0.0
        n = figures.get(mean_name(path, bound, criterion.limit), 0)
        higher, lower, shift = (figures.get(f"{SHIFT}{path}/{name}", 0) for name in ("higher", "lower", "shift"))
        differ, majority = higher + lower, max(higher, lower)
        if n <= 0 or min(higher, lower) < 0 or 2 * majority <= differ:
            continue
        need = math.log(2 * len(means) / config.judge.alpha)
        evidence = log_e_above(differ, majority, 0.5)
        if evidence >= need:
            way = "higher" if higher > lower else "lower"
            caveats.append(
                f"{criterion.id}: the candidate is systematically {way}: in {majority} of {differ} pairs that differ "
                f"({percent(majority / differ)}), by {shift * SHIFT_UNIT * bound / n:+.4g} on average over all {n} "
                "pairs "
                f"with numbers (ln E {evidence:.4g}, {need:.4g} shows it)"
            )
    return caveats


def failed_checks(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return caveats for checks that production's own values fail; the candidate is not blamed for these pairs."""
    caveats = []
    for criterion in config.judge.criteria:
        if criterion.rate != "check" or criterion.muted:
            continue
        part_figures = by_prefix(scope_of(criterion), figures) if scope_of(criterion) else figures
        checked = part_figures.get(f"{CHECK}checked:{criterion.path}", 0)
        both_fail = sum(part_figures.get(name, 0) for name in agreed_of(criterion))
        if 0 < both_fail <= checked:
            caveats.append(
                f"{criterion.id}: in {both_fail:,} of {checked:,} pairs ({percent(both_fail / checked)}) production "
                "fails the same "
                "check as the candidate; these do not count against the candidate. Mend production there, or correct "
                "the check"
            )
    return caveats


def rechecks(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return caveats for mismatches that may be unstable answers: the candidate gave no second one."""
    if not config.candidate.rechecks:
        return []
    caveats = []
    if skipped := figures.get(RECHECK_SKIPPED, 0):
        caveats.append(
            f"unstable: on {skipped:,} pairs that differ the candidate was not called again (candidate.recheck), so "
            "they count as mismatches: too many waited, more differed than candidate.recheck_share_max allows, or they "
            "came too late or from an earlier revision"
        )
    if unanswered := figures.get(RECHECK_UNANSWERED, 0):
        caveats.append(
            f"unstable: on {unanswered:,} pairs that differ there is no second answer of the candidate "
            "(candidate.recheck), so they count as mismatches: it failed, the input was gone, or nothing came within "
            f"candidate.recheck_ms: {config.candidate.recheck_ms}. See the runner's metric second_answers_total"
        )
    return caveats


def noise(figures: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return pairs of production and its twin that differ, by path, most first (schemas/verdict.avsc)."""
    n = _twin_pairs(figures)
    ranked = sorted((-s, path) for path, s in by_prefix(NOISE, figures).items() if s > 0 and n > 0)
    return [{"path": path, "n": n, "s": -less} for less, path in ranked[:NOISE_MAX]]


def noise_caveats(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Return the noise floor of production by field, and criteria whose limit is under it."""
    n, by_path = _twin_pairs(figures), by_prefix(NOISE, figures)
    if n <= 0:
        return []
    judged = [criterion for criterion in config.judge.criteria if criterion.rate == "field" and not criterion.muted]
    under = [criterion for criterion in judged if by_path.get(criterion.path or "", 0) >= n * criterion.limit]
    caveats = [
        f"{criterion.id}: its limit {percent(criterion.limit)} lies under the noise floor: production's two runs "
        "differ there in "
        f"{by_path[criterion.path or '']} of {n} pairs ({percent(by_path[criterion.path or ''] / n)}). Set a limit "
        "above it, a "
        "tolerance for the field, or judge by rate: twin"
        for criterion in under
    ]
    named = {criterion.path for criterion in under}
    shown = [row for row in noise(figures) if row["path"] not in named][:NAMED_MAX]
    if shown:
        listed = ", ".join(f"{row['path']} in {row['s']} ({percent(row['s'] / n, 3)})" for row in shown)
        caveats.append(f"noise floor: of {n} pairs of production and its twin there differ {listed}")
    return caveats


def _twin_pairs(figures: Mapping[str, int]) -> int:
    return sum(figures.get(TWIN + name, 0) for name in PAIRS)
