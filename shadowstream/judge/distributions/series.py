"""One comparison of one field over time: the last result, and the incident that it opens and closes.

=======  =======================================================================  ==========
state    comparison                                                               next state
=======  =======================================================================  ==========
quiet    beyond chance at its level, `psi_min` or more, clusters known            open
open     `QUIET` in a row within chance, or under half of `psi_min`               quiet
=======  =======================================================================  ==========

A comparison alarms by chance at most once in 1 / level of them, so incidents open by chance at most as often.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from shadowstream.judge.distributions.stability import Samples, Stability, stability_of
from shadowstream.judge.distributions.words import PSI, sentence
from shadowstream.judge.drift.rate_monitor import REVISION_DIGITS

QUIET = 3
Events = list[dict[str, Any]]


class Span(NamedTuple):
    """The event time of a comparison, ms, and its windows."""

    from_ms: int
    to_ms: int
    windows: int


@dataclass(frozen=True, slots=True)
class Rules:
    """`level`: probability of an alarm by chance of one comparison. `psi_min`: least index that alarms."""

    level: float
    psi_min: float
    revision: str


@dataclass(slots=True)
class _Open:
    id: str
    since_ms: int
    quiet: int = 0


class Series:
    """The comparisons of one field in one way (`words.SIDES`, `PRODUCTION`, `CANDIDATE`)."""

    def __init__(self, path: str, compared: str, rules: Rules) -> None:
        self._path, self._compared, self._rules = path, compared, rules
        self._open: _Open | None = None
        self._tests = 0
        self._last: dict[str, Any] = {}

    def compare(self, samples: Samples, labels: Sequence[str], span: Span, *, alarms: bool) -> Events:
        """Compare two samples and return drift events as in schemas/drift.avsc. `alarms`: clusters are known."""
        found = stability_of(samples, self._rules.level)
        if found is None:
            return []
        self._tests += 1
        shown = [place for place in range(len(labels)) if samples.first[place] or samples.second[place]]
        self._last = {
            "psi": found.psi,
            "by_chance": found.by_chance,
            "deff": samples.deff,
            "n_before": sum(samples.first),
            "n_after": sum(samples.second),
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
            "top": shown.index(found.top),
            "bins": [
                {"bin": labels[place], "before": samples.first[place], "after": samples.second[place]}
                for place in shown
            ],
        }
        if self._open is not None:
            return self._age(found, span)
        if not (alarms and found.alarms(self._rules.level, self._rules.psi_min)):
            return []
        name = f"distribution:{self._path}:{self._compared}"
        self._open = _Open(f"{name}-{span.from_ms}-{self._rules.revision[:REVISION_DIGITS]}", span.from_ms)
        return [self._event("opened", self._open, found, span, sentence(self.row("")))]

    def _age(self, found: Stability, span: Span) -> Events:
        incident = self._open
        if incident is None:
            return []
        is_quiet = found.psi <= found.by_chance or 2.0 * found.psi < self._rules.psi_min
        incident.quiet = incident.quiet + 1 if is_quiet else 0
        if incident.quiet < QUIET:
            return []
        self._open = None
        reason = f"{sentence(self.row(''))}; quiet in {QUIET} comparisons"
        return [self._event("closed", incident, found, span, reason)]

    def _event(self, event: str, incident: _Open, found: Stability, span: Span, reason: str) -> dict[str, Any]:
        return {
            "event": event,
            "incident": incident.id,
            "revision": self._rules.revision,
            "criterion": f"distribution:{self._path}:{self._compared}",
            "detector": PSI,
            "direction": "up" if event == "opened" else "down",
            "window_start_ms": span.from_ms,
            "window_end_ms": span.to_ms,
            "before": found.by_chance,
            "after": found.psi,
            "width": span.windows,
            "estimation": found.log_p,
            "reason": reason,
        }

    def row(self, waits: str) -> dict[str, Any]:
        """Return the last comparison as in schemas/verdict.avsc. `waits`: why none was made, or why none can alarm."""
        return {
            "path": self._path,
            "compared": self._compared,
            "level": self._rules.level,
            "tests": self._tests,
            **(self._last or _NOTHING),
            "incident": None if self._open is None else self._open.id,
            "since_ms": None if self._open is None else self._open.since_ms,
            "waits": waits,
        }

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [None if self._open is None else asdict(self._open), self._tests, self._last]

    def restore(self, state: Sequence[Any]) -> None:
        """Restore the state from a snapshot."""
        opened, self._tests, self._last = state
        self._open = None if opened is None else _Open(**opened)


_NOTHING: Mapping[str, Any] = {
    "psi": None, "by_chance": None, "deff": 1.0, "n_before": 0, "n_after": 0, "from_ms": None, "to_ms": None,
    "top": 0, "bins": [],
}  # fmt: skip
