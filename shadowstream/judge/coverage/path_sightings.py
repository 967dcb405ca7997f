"""Configured paths that values contain, as the joiner observed in a sample of pairs.

A path with a typing error matches nothing: its criterion would be good for ever, and its rule would tolerate nothing.
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config, Criterion
from shadowstream.judge.criteria import DECIDED, NAMING, UNNAMED
from shadowstream.judge.part_figures import scope_of
from shadowstream.protocol.outcomes import PAIRS

SHOWN_MAX = 12
HELD_MAX = 256
_OF_VALUES = ("field", "mean", "check", "loss")


class Paths:
    """Observed paths of all tasks, independent of the order of records."""

    def __init__(self) -> None:
        self.looked = 0
        self.seen: set[str] = set()
        self.holds: set[str] = set()

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a stats record (schemas/stats.avsc) of the judged revision."""
        self.looked += record.get("looked", 0)
        self.seen.update(record.get("seen", ()))
        if record.get("holds"):
            self.holds = set(sorted(self.holds.union(record.get("holds", ())))[:HELD_MAX])

    def unseen(self, path: str | None) -> bool:
        """Return whether values were inspected and none contains the path."""
        return path is not None and self.looked > 0 and path not in self.seen

    def fields(self) -> str:
        """List the fields that values contain, as the end of a sentence."""
        shown = sorted(self.holds)[:SHOWN_MAX]
        more = f" and {len(self.holds) - SHOWN_MAX} more" if len(self.holds) > SHOWN_MAX else ""
        return f"fields seen: {', '.join(shown)}{more}" if shown else "no field was seen"

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [self.looked, sorted(self.seen), sorted(self.holds)]

    def restore(self, snapshot: Any) -> None:
        """Restore the state from a snapshot."""
        self.looked, seen, holds = snapshot
        self.seen, self.holds = set(seen), set(holds)


def is_blind(criterion: Criterion, paths: Paths) -> bool:
    """Return whether the path of a criterion is in no value."""
    return criterion.rate in _OF_VALUES and paths.unseen(criterion.path)


def blockers(config: Config, paths: Paths, figures: Mapping[str, int]) -> list[str]:
    """Return reasons for criteria and dimensions whose path is in no value: they would never see a fault."""
    pairs = sum(figures.get(name, 0) for name in PAIRS)
    if not pairs:
        return []
    reasons = []
    for criterion in config.judge.criteria:
        if criterion.muted:
            continue
        if is_blind(criterion, paths):
            reasons.append(
                f"criterion {criterion.id} can see no fault: {criterion.path} occurs in none of {pairs:,} pairs (a "
                "sample was "
                f"looked at); {paths.fields()}. Correct its path in judge.criteria"
            )
        elif criterion.rate == "field" and (left := _undecided(criterion, figures)):
            reasons.append(
                f"criterion {criterion.id}: the joiner did not look at its path in {left:,} pairs; `replay "
                "--from-topics` "
                "compares them again"
            )
    for dimension in config.compare.dimensions:
        if config.judge.slices == "guard" and paths.unseen(dimension.path):
            reasons.append(
                f"dimension {dimension.name} has no value: {dimension.path} occurs in none of {pairs:,} pairs (a "
                f"sample was looked at); {paths.fields()}. Correct its path in compare.dimensions"
            )
    return reasons


def _undecided(criterion: Criterion, figures: Mapping[str, int]) -> int:
    """Count the pairs of a field criterion that were not inspected for its path."""
    scope = scope_of(criterion)
    asked, others = figures.get(f"{scope}{DECIDED}{criterion.path}", 0), figures.get(scope + NAMING, 0)
    return figures.get(scope + UNNAMED, 0) + others - asked


def caveats(config: Config, paths: Paths, figures: Mapping[str, int]) -> list[str]:
    """Return caveats for rules and other settings whose path is in no value: they have no effect."""
    pairs = sum(figures.get(name, 0) for name in PAIRS)
    if not pairs:
        return []
    compare = config.compare
    asked = {criterion.path for criterion in config.judge.criteria if criterion.rate in _OF_VALUES}
    named = [
        *((f"rule {rule.path!r}", rule.path) for rule in compare.rules),
        *((f"check of {check.path!r}", check.path) for check in compare.checks if check.path not in asked),
        *((f"distribution of {one.path!r}", one.path) for one in compare.distributions),
        *(
            (f"expected change {expected.name!r}, path {path!r},", path)
            for expected in compare.expected
            for path in expected.paths
        ),
        *((f"redact path {path!r}", path) for path in (compare.redact.paths if compare.redact else ())),
    ]
    unmatched = [subject for subject, path in named if paths.unseen(path)]
    seen_in = f"in {pairs:,} pairs (a sample was looked at); {paths.fields()}"
    return [f"{subject} matched no field {seen_in}" for subject in unmatched]
