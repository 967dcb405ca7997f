"""View of a running trial: what the records of its topics have shown so far of one revision.

Records come in the order of their partitions. A record that comes twice counts once.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.joiner.task_topics import side_of
from shadowstream.judge.criteria import FIELD, REASON, by_prefix, outcomes_of
from shadowstream.judge.windows.event_windows import Windows
from shadowstream.judge.windows.expected_tasks import counts_labels
from shadowstream.protocol.outcomes import DIFFERS, PAIRS, Outcome
from shadowstream.records import Partition
from shadowstream.status.figures import OpenWindow, Side

PACE_MS = 60_000
"""Span of the wall clock over which a rate is measured."""
_INPUTS, _WORDS = "inputs", ("production", "candidate", "twin")
_RECORDS_READ = 3  # the ledger "records read of a side = ended by outcomes + pending"


class Pace:
    """Rate of a growing count.

    >>> pace = Pace()
    >>> [pace.add(at_ms, count) for at_ms, count in ((0, 100), (10_000, 300), (20_000, 500))]
    [None, None, None]
    >>> pace.per_s(20_000), pace.per_s(40_000), pace.count
    (20.0, 10.0, 500)
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque()

    def add(self, at_ms: int, count: int) -> None:
        if self._samples and at_ms <= self._samples[-1][0]:
            at_ms = self._samples.pop()[0]
        self._samples.append((at_ms, count))
        while len(self._samples) > 2 and self._samples[1][0] <= at_ms - PACE_MS:
            self._samples.popleft()

    @property
    def count(self) -> int:
        return self._samples[-1][1]

    def per_s(self, now_ms: int) -> float:
        """Return the rate over the last `PACE_MS`, or over what is known of them."""
        begin_ms = now_ms - PACE_MS
        earlier = [sample for sample in self._samples if sample[0] <= begin_ms]
        at_ms, count = earlier[-1] if earlier else self._samples[0]
        return max(0, self.count - count) * 1_000 / max(1, now_ms - max(at_ms, begin_ms))


class TrialView:
    """View of one revision. `tasks`: all that the judge expects (`expected_tasks`)."""

    def __init__(self, config: Config, revision: str, tasks: Iterable[str]) -> None:
        self._config, self._revision = config, revision
        self.windows = Windows(revision, config.judge.window_ms, tasks)
        self.last_ms: dict[str, int] = {}
        """Time at which each role has last written a record."""
        self._done: dict[Partition, int] = {}
        self._read: dict[str, Pace] = {}
        self._inputs: dict[str, Pace] = {}

    def add_stats(self, at_ms: int, record: Mapping[str, Any]) -> None:
        """Add a stats record (schemas/stats.avsc) that was written at a time of the wall clock."""
        self.windows.add(record)
        if record["revision"] != self._revision:
            return
        self._saw("labels" if counts_labels(record["task"]) else "joiner", at_ms)
        for line in record["ledgers"]:
            if line["ledger"] == _RECORDS_READ and " " not in line["place"]:
                self._read.setdefault(line["place"], Pace()).add(at_ms, line["expected"])

    def add_mark(self, at_ms: int, record: Mapping[str, Any]) -> None:
        """Add a mark (schemas/mark.avsc) that was written at a time of the wall clock."""
        if record["revision"] != self._revision:
            return
        self._saw("runner", at_ms)
        if record["kind"] not in ("done", "end", "range"):
            return
        place = Partition(record["input_topic"], record["input_partition"])
        self._done[place] = max(record["to_offset"], self._done.get(place, 0))
        if record["counters"] is not None:
            self._inputs.setdefault(str(place), Pace()).add(at_ms, record["counters"]["read"])

    def _saw(self, role: str, at_ms: int) -> None:
        self.last_ms[role] = max(at_ms, self.last_ms.get(role, 0))

    @property
    def places(self) -> list[Partition]:
        """Partitions of outputs that the joiner reads, as far as it has written so."""
        return [Partition(*place) for place in self.windows.sources]

    def sides(self, now_ms: int, begins: Mapping[Partition, int], ends: Mapping[Partition, int]) -> list[Side]:
        """Return the inputs and each side. `begins`: where inputs began; `ends`: the ends of all partitions."""
        done = {place: self._done.get(place, begin) for place, begin in begins.items()}
        found = [_side(_INPUTS, self._inputs, now_ms, begins, _lag(done, ends))]
        for n, word in enumerate(_WORDS[: 2 + (self._config.twin is not None)]):
            spans = {
                Partition(*place): span
                for place, span in sorted(self.windows.sources.items())
                if side_of(self._config, place[0]) == n
            }
            paces = {place: pace for place, pace in self._read.items() if Partition(*_split(place)) in spans}
            from_, to = ({place: span[i] for place, span in spans.items()} for i in (0, 1))
            found.append(_side(word, paces, now_ms, from_, _lag(to, ends)))
        return found

    def open_windows(self) -> list[OpenWindow]:
        """Return the windows that have counts and are open, in time order."""
        width_ms = self.windows.window_ms
        found = []
        for at_ms, figures in self.windows.open_figures().items():
            pairs, differ = (sum(figures[name] for name in names) for names in (PAIRS, DIFFERS))
            outcomes = _of_records(figures)
            if outcomes:
                found.append(OpenWindow(at_ms, at_ms + width_ms, pairs, differ, outcomes))
        return found

    def passed_ms(self) -> int | None:
        """Return the event time that every task has passed; None before all of them have reported one."""
        marks = [
            task.watermark_ms
            for name, task in self.windows.tasks.items()
            if not task.complete and not counts_labels(name)
        ]
        return min(marks) if marks and min(marks) > 0 else None

    def so_far(self) -> dict[str, dict[str, int]]:
        """Return outcomes, reasons and differing fields, those of open windows included, each the commonest first."""
        figures = Counter(self.windows.figures)
        for one in self.windows.open_figures().values():
            figures.update(one)
        return {
            "outcomes": _ranked(_of_records(figures)),
            "reasons": _ranked(by_prefix(REASON, figures)),
            "fields": _ranked(by_prefix(FIELD, figures)),
        }


def _split(place: str) -> tuple[str, int]:
    topic, _, partition = place.rpartition("/")
    return topic, int(partition)


def _of_records(figures: Mapping[str, int]) -> dict[str, int]:
    return {name: n for name, n in outcomes_of(figures).items() if name in tuple(Outcome) and n > 0}


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(((name, n) for name, n in counts.items() if n > 0), key=lambda one: (-one[1], one[0])))


def _lag(reached: Mapping[Partition, int], ends: Mapping[Partition, int]) -> int | None:
    """Return the records between the positions and the ends; None where nothing is known."""
    return sum(max(0, ends[place] - at) for place, at in reached.items() if place in ends) if reached else None


def _side(name: str, paces: Mapping[str, Pace], now_ms: int, begins: Mapping[Partition, int], lag: int | None) -> Side:
    if not paces:
        return Side(name, 0, None, lag, {str(place): at for place, at in begins.items()})
    records, per_s = sum(pace.count for pace in paces.values()), sum(pace.per_s(now_ms) for pace in paces.values())
    return Side(name, records, per_s, lag, {str(place): at for place, at in begins.items()})
