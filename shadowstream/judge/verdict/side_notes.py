"""What the evidence shows beside the rates of criteria: a shift that goes one way, and the twin's noise by field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.criteria import CHECK, NOISE, SHIFT, agreed_of, behind, mean_name
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import log_e_above
from shadowstream.judge.part_figures import scope_of
from shadowstream.protocol.count_names import TWIN
from shadowstream.protocol.outcomes import PAIRS

SHIFT_UNIT = 2.0**-32
"""As the joiner sums differences with their sign (joiner/accounting/signed_shifts.py)."""
NOISE_MAX = 20
NAMED_MAX = 5


def side_notes(config: Config, figures: Mapping[str, int]) -> list[str]:
    """All of these, as caveats."""
    return [*shifts(config, figures), *noise_caveats(config, figures), *failed_checks(config, figures)]


def shifts(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Means whose differences go one way: among the pairs that differ the candidate is the higher (or lower) one far
    more often than every second time, by a sign test that may be looked at as often as one likes."""
    means = [one for one in config.judge.criteria if one.rate == "mean" and not (one.where or one.topic or one.muted)]
    said = []
    for one in means:
        path, bound = one.path or "", one.bound or 0.0
        n = figures.get(mean_name(path, bound, one.limit), 0)
        higher, lower, shift = (figures.get(f"{SHIFT}{path}/{name}", 0) for name in ("higher", "lower", "shift"))
        differ, most = higher + lower, max(higher, lower)
        if n <= 0 or min(higher, lower) < 0 or 2 * most <= differ:
            continue
        need = math.log(2 * len(means) / config.judge.alpha)
        found = log_e_above(differ, most, 0.5)
        if found >= need:
            way = "higher" if higher > lower else "lower"
            said.append(
                f"{one.id}: the candidate is systematically {way}: in {most} of {differ} pairs that differ "
                f"({percent(most / differ)}), by {shift * SHIFT_UNIT * bound / n:+.4g} on average over all {n} pairs "
                f"with numbers (ln E {found:.4g}, {need:.4g} shows it)"
            )
    return said


def failed_checks(config: Config, figures: Mapping[str, int]) -> list[str]:
    """Checks that production's own values fail: what the candidate fails beside them is no fault of it."""
    found = []
    for one in config.judge.criteria:
        if one.rate != "check" or one.muted:
            continue
        of = behind(scope_of(one), figures) if scope_of(one) else figures
        checked = of.get(f"{CHECK}checked:{one.path}", 0)
        both = sum(of.get(name, 0) for name in agreed_of(one))
        if 0 < both <= checked:
            found.append(
                f"{one.id}: in {both:,} of {checked:,} pairs ({percent(both / checked)}) production fails the same "
                "check as the candidate; these do not count against the candidate. Mend production there, or correct "
                "the check"
            )
    return found


def noise(figures: Mapping[str, int]) -> list[dict[str, Any]]:
    """By path the pairs of production and its twin, and those that differ there, the greatest share first; as in
    schemas/verdict.avsc."""
    n = _twin_pairs(figures)
    found = sorted((-s, path) for path, s in behind(NOISE, figures).items() if s > 0 and n > 0)
    return [{"path": path, "n": n, "s": -less} for less, path in found[:NOISE_MAX]]


def noise_caveats(config: Config, figures: Mapping[str, int]) -> list[str]:
    """The noise floor of production by field, and criteria whose limit lies under it."""
    n, by_path = _twin_pairs(figures), behind(NOISE, figures)
    if n <= 0:
        return []
    judged = [one for one in config.judge.criteria if one.rate == "field" and not one.muted]
    under = [one for one in judged if by_path.get(one.path or "", 0) >= n * one.limit]
    said = [
        f"{one.id}: its limit {percent(one.limit)} lies under the noise floor: production's two runs differ there in "
        f"{by_path[one.path or '']} of {n} pairs ({percent(by_path[one.path or ''] / n)}). Set a limit above it, a "
        "tolerance for the field, or judge by rate: twin"
        for one in under
    ]
    named = {one.path for one in under}
    shown = [one for one in noise(figures) if one["path"] not in named][:NAMED_MAX]
    if shown:
        each = ", ".join(f"{one['path']} in {one['s']} ({percent(one['s'] / n, 3)})" for one in shown)
        said.append(f"noise floor: of {n} pairs of production and its twin there differ {each}")
    return said


def _twin_pairs(figures: Mapping[str, int]) -> int:
    return sum(figures.get(TWIN + name, 0) for name in PAIRS)
