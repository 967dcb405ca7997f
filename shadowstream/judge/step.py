"""The judge's step: statistics in; drift events, verdicts and its own state out. Pure: no client, no clock.

Everything that decides happens as windows close, one by one in time order, so it does not matter how often
`evaluate` is called: after each record or once at the end, the drift events and the evidence are the same.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shadowstream.codecs.own import encode
from shadowstream.config import Config
from shadowstream.errors import ShadowstreamBug
from shadowstream.judge.criteria import Trailing, counts, rates_of
from shadowstream.judge.incidents import Watch
from shadowstream.judge.levels import Lasting, Level
from shadowstream.judge.verdict import Case, build, criteria_hash, digest, trailing_units
from shadowstream.judge.windows import Closed, Windows
from shadowstream.records import Write

VERSION = 2
_ALWAYS_NEW = ("evaluated_at_ms", "sources")


@dataclass(frozen=True, slots=True)
class Effects:
    """What one evaluation wants written, in this order, in one transaction with `JudgeStep.offsets`.

    `verdict` is the present verdict record whether or not it is written; `changed` says whether it differs from the
    last one in more than wall clock and offset ranges.
    """

    writes: list[Write]
    verdict: dict[str, Any]
    changed: bool


class JudgeStep:
    """Judges one revision. One owner: every stats partition of the trial comes here.

    `expected_tasks` are all "topic/partition" of production's outputs. Call `restore` once, seek each stats partition
    to `offsets` (to the beginning where it is not named), then `step` for each record and `evaluate` at each commit.
    """

    def __init__(self, config: Config, revision: str, expected_tasks: Iterable[str]) -> None:
        self.config = config
        self.revision = revision
        self.windows = Windows(revision, config.judge.window_ms, expected_tasks)
        criteria, self._rates = config.judge.criteria, rates_of(config)
        self.trailing: dict[str, Trailing] = {
            one.rate: Trailing(one.rate, trailing_units(one, config.judge.alpha), self._rates) for one in criteria
        }
        self.watches: dict[str, Watch] = {one.rate: Watch(one, config.judge, revision, self._rates) for one in criteria}
        self.levels: dict[str, Level] = {one.rate: Level(one, config) for one in criteria if one.critical}
        self._offsets: dict[int, int] = {}
        self._events: list[dict[str, Any]] = []
        self._said = ""
        self._stepped = False

    @property
    def finished(self) -> bool:
        """Whether every task is complete, so that every window is closed (a bounded run)."""
        return self.windows.all_complete

    def offsets(self) -> dict[int, int]:
        """Next offset of the stats topic by partition; what the last `evaluate` holds unless `step` came after it."""
        return dict(self._offsets)

    def step(self, partition: int, offset: int, record: Mapping[str, Any]) -> None:
        """Take one decoded stats record (schemas/stats.avsc) and its place in the stats topic."""
        if offset < self._offsets.get(partition, 0):
            return
        self._offsets[partition] = offset + 1
        self._stepped = True
        for window in self.windows.add(record):
            self._close(window)

    def _close(self, window: Closed) -> None:
        for criterion in self.config.judge.criteria:
            rate, trailing = criterion.rate, self.trailing[criterion.rate]
            trailing.close(window.start_ms, window.outcomes)
            for start_ms, outcomes in window.corrections.items():
                trailing.correct(start_ms, outcomes)
            watch = self.watches[rate]
            found = counts(rate, window.outcomes, self._rates)
            if found.possible and found.n:
                self._events += watch.feed(window.start_ms, window.end_ms, found.n, found.s)
            if criterion.critical:
                self.levels[rate].close(window, self._lasting(watch, window))

    @staticmethod
    def _lasting(watch: Watch, window: Closed) -> Lasting | None:
        if watch.incident is None or watch.lasting is None:
            return None
        return Lasting(watch.lasting, watch.incident.opened_ms, window.end_ms)

    def evaluate(self, now_ms: int, *, force: bool = False) -> Effects:
        """The present verdict, and what is to be written. `now_ms` is the wall clock, ms since the epoch.

        The verdict is written when it changed, and with `force` (so that the gate sees that it is not stale); only a
        changed one goes to audit. State is written when anything was taken in or said.
        """
        verdict = build(self._case(), now_ms)
        said = digest({name: item for name, item in verdict.items() if name not in _ALWAYS_NEW})
        changed = said != self._said
        self._said = said
        plan = self.config.plan
        key = self.revision.encode()
        writes = [
            Write(
                plan.of("drift"), 0, event["criterion"].encode(), encode("drift", event), time_ms=event["window_end_ms"]
            )
            for event in self._events
        ]
        if changed or force:
            value = encode("verdict", verdict)
            writes.append(Write(plan.of("verdict"), 0, key, value, time_ms=now_ms))
            if changed:
                writes.append(Write(plan.of("audit"), 0, None, value, time_ms=now_ms))
        if changed or self._stepped or self._events:
            writes.append(Write(plan.of("judge-state"), 0, key, encode("judge_state", self.state()), time_ms=now_ms))
        self._events, self._stepped = [], False
        return Effects(writes, verdict, changed)

    def _case(self) -> Case:
        incidents = {
            watch.incident.id: watch.incident.reason for watch in self.watches.values() if watch.incident is not None
        }
        rejected = {rate: level.reason for rate, level in self.levels.items() if level.reason is not None}
        withdrawn = [level.withdrawn for level in self.levels.values() if level.withdrawn and level.reason is None]
        return Case(self.config, self.revision, self.windows, self.trailing, rejected, incidents, withdrawn)

    def state(self) -> dict[str, Any]:
        """The judge-state record (schemas/judge_state.avsc) as of now; events not yet given out are not in it."""
        body = {
            "criteria": criteria_hash(self.config),
            "windows": self.windows.snapshot(),
            "trailing": {rate: trailing.snapshot() for rate, trailing in self.trailing.items()},
            "watches": {rate: watch.snapshot() for rate, watch in self.watches.items()},
            "levels": {rate: level.snapshot() for rate, level in self.levels.items()},
            "said": self._said,
        }
        return {
            "version": VERSION,
            "revision": self.revision,
            "offsets": {str(partition): offset for partition, offset in sorted(self._offsets.items())},
            "snapshot": _packed(body),
        }

    def restore(self, snapshot: Mapping[str, Any] | None) -> None:
        """Take up the last judge-state record of this revision; None begins anew.

        A record of another version of the form cannot be read: the judge then begins anew as well, and since stats
        keep everything it comes to the same verdict, saying its drift events a second time.
        """
        if snapshot is None or snapshot["version"] != VERSION:
            return
        if snapshot["revision"] != self.revision:
            raise ShadowstreamBug(f"judge of revision {self.revision} was given the state of {snapshot['revision']}")
        body = _unpacked(snapshot["snapshot"])
        if body["criteria"] != criteria_hash(self.config):
            raise ShadowstreamBug(f"criteria or rules changed and the revision did not: {self.revision}")
        self.windows.restore(body["windows"])
        for rate, trailing in self.trailing.items():
            trailing.restore(body["trailing"][rate])
        for rate, watch in self.watches.items():
            self._events += watch.restore(body["watches"][rate])
        for rate, level in self.levels.items():
            level.restore(body["levels"][rate])
        self._said = body["said"]
        self._offsets = {int(partition): offset for partition, offset in snapshot["offsets"].items()}


def _packed(body: Mapping[str, Any]) -> str:
    # A year of open hours is a megabyte of JSON, more than a broker takes; deflated it is a tenth of that.
    return base64.b85encode(zlib.compress(json.dumps(body, separators=(",", ":")).encode())).decode()


def _unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b85decode(text)))
