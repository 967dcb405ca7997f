"""Planned looks: the group-sequential rule of a bounded trial, in place of evidence that is valid at any time.

A look happens at the first end of a window at which the planned units have come, once no correction can reach them any
more (`correctable_ms`; for labels once they are settled). So no look is ever repeated on other counts: the exact
probability of `evidence.group_sequential` holds, and live, replay and restart find the same looks. The end of the
trial is the last look, whatever has come by then, because the end was fixed before anything was seen.

The newest look decides until the next one. Later units can only hold promote back: all together must stay under the
limit, and the recent windows must not speak against it. The evidence that rejects stays valid at any time.
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.config.group_sequential import GroupSequential
from shadowstream.judge.evidence.group_sequential import NONE, Look, boundaries, planned_looks
from shadowstream.judge.verdict.criterion_units import Measure, Numbers, added
from shadowstream.judge.verdict.reject_latch import RejectLatch


class PlannedLatch(RejectLatch):
    """Reject latch that also keeps the looks at settled windows: at most one for each planned look."""

    def __init__(self, measure: Measure, config: Config, plan: GroupSequential) -> None:
        super().__init__(measure, config)
        self._plan = plan
        self._looks: list[tuple[int, int]] = []  # units, and bad ones

    def _settle(self, horizon_ms: int) -> None:
        total = self._before.total
        for start_ms, _, raw, _ in self._windows:
            if start_ms >= horizon_ms:
                break
            total = added(total, self.measure.amount(raw))
            self._note(self._looks, total)
        super()._settle(horizon_ms)

    def _note(self, looks: list[tuple[int, int]], total: Numbers) -> None:
        """Append a look if the next planned units have come."""
        n, bad = total
        last = looks[-1][0] if looks else 0
        due = [look.n for look in planned_looks(self._plan.units, self._plan.looks) if look.n > last]
        if due and n >= due[0]:
            looks.append((n, bad))

    def planned(self, *, ended: bool) -> dict[str, Any]:
        """Return the looks so far and the next ones, as in schemas/verdict.avsc. `ended`: no more records come."""
        taken, total = list(self._looks), self._before.total
        for _, _, raw, _ in self._windows if ended else ():
            total = added(total, self.measure.amount(raw))
            self._note(taken, total)
        n, bad = taken[-1] if taken else (0, 0)
        if ended and n < self._plan.units and total[0] > n:
            taken.append((total[0], total[1]))
            n, bad = taken[-1]
        units = self._plan.units
        looks = [Look(n, min(1.0, n / units)) for n, _ in taken]
        if ended and looks:
            looks[-1] = Look(n, 1.0)
        further = [look for look in planned_looks(units, self._plan.looks) if look.n > n and not ended]
        allowed = boundaries((*looks, *further), self.measure.limit, self.measure.alpha, self._plan.spending)
        return {
            "units": units,
            "looks": self._plan.looks,
            "done": len(taken),
            "n": n,
            "bad": bad,
            "allowed": allowed[len(taken) - 1] if taken else NONE,
            "next_n": further[0].n if further else None,
            "next_allowed": allowed[len(taken)] if further else NONE,
            "end_n": (further or looks or [Look(0, 0.0)])[-1].n,
            "end_allowed": allowed[-1] if allowed else NONE,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return super().snapshot() | {"looks": self._looks}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        super().restore(snapshot)
        self._looks = [(n, bad) for n, bad in snapshot["looks"]]


def latch_of(measure: Measure, config: Config) -> RejectLatch:
    """Return the latch of a criterion, with looks if the config plans them."""
    plan = config.judge.group_sequential
    return RejectLatch(measure, config) if plan is None else PlannedLatch(measure, config, plan)
