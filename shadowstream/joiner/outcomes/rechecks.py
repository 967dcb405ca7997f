"""Pairs that differ and wait for the candidate's second answer to the same input (`candidate.recheck`).

Nothing of such a pair is counted yet, because no later record could take a mismatch back. Its records stay pending in
each commit, so that a restart reads them again and asks again; they keep their windows open and count for
backpressure. Each pair asked for has one request in the commit that holds it. The runner answers with a mark; the first
one counts. The wait, the number and the bytes of waiting pairs, and their share of all pairs are bounded. A pair beyond
a bound is a mismatch at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.compare.comparer import Comparing
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import PairResult, Results
from shadowstream.config import Config
from shadowstream.config.sides import RECHECKS_FREE
from shadowstream.errors import RegistryError
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.matching.matches import Pair, ShedRule, Unmatched
from shadowstream.joiner.matching.pending import PendingTotals, row_bytes
from shadowstream.joiner.outcomes.awaited_schemas import rows_of
from shadowstream.joiner.task_topics import TaskTopics
from shadowstream.protocol.count_names import RECHECK_SKIPPED, RECHECK_UNANSWERED
from shadowstream.protocol.outcomes import Outcome
from shadowstream.protocol.rechecks import SILENT, Answer, InputAt, complete_record, request_record
from shadowstream.records import REVISION_BYTES, Side, Write

WAITING_MAX = 1_000
"""Pairs of one task that wait at a time."""
BYTES_SHARE = 20
"""The waiting pairs of one task take at most this part of `limits.pending_bytes_max`."""
ANSWERS_MAX = 300_000
"""Stored answers that a replay keeps."""
PATHS_MAX = 5
ASKED, SAME = "asked", "same"


class Verdict(NamedTuple):
    """What a second answer, or none, says of a pair: unstable, same, or `RECHECK_UNANSWERED`."""

    kind: str
    reason: str | None = None


@dataclass(slots=True)
class Waiting:
    """A pair that waits, since when (None: since now), and its answer."""

    pair: Pair
    at: InputAt
    since_ms: int | None = None
    answer: Answer | None = None


class Rechecks:
    """The rechecks of one task. `asks`: False in a replay, where only stored answers count."""

    def __init__(
        self,
        config: Config,
        revision: str,
        sources: TaskTopics,
        held: PendingTotals,
        comparer: Comparing,
        counts: OutcomeCounts,
    ) -> None:
        self._config, self._revision, self._sources = config, revision, sources
        self._held, self._comparer, self._counts = held, comparer, counts
        self._redactor = Redactor.of(config)
        self._waiting: dict[str, Waiting] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._stored: dict[str, tuple[InputAt, Answer]] = {}
        self._asked = self._pairs = self._bytes = self._now_ms = 0
        self.asks = True

    def __len__(self) -> int:
        return len(self._waiting)

    def places(self, outcomes: Sequence[str], pair_at: Callable[[int], Pair]) -> list[int]:
        """Return the places of the compared pairs that must wait for a second answer; this changes nothing."""
        candidate = self._config.candidate
        if not (candidate.rechecks and self.asks and Outcome.MISMATCH in outcomes):
            return []
        allowed = RECHECKS_FREE + int(candidate.recheck_share_max * (self._pairs + len(outcomes))) - self._asked
        room, size = min(allowed, WAITING_MAX - len(self._waiting)), self._bytes
        found: list[int] = []
        for place, outcome in enumerate(outcomes):
            if len(found) >= room:
                break
            if outcome != Outcome.MISMATCH:
                continue
            pair = pair_at(place)
            if self._id(pair) in self._verdicts or self._input(pair) is None:
                continue
            size += _bytes_of(pair)
            if size <= self._config.limits.pending_bytes_max // BYTES_SHARE:
                found.append(place)
            else:
                size -= _bytes_of(pair)
        return found

    def hold(self, pair: Pair) -> None:
        """Let a pair wait, and write the request for its second answer with the next commit."""
        at = self._input(pair)
        if at is None:
            return
        id_ = self._id(pair)
        self._waiting[id_] = Waiting(pair, at)
        self._asked += 1
        self._bytes += _bytes_of(pair)
        for side, row in rows_of(pair):
            self._held.enter(side, row)
        k = pair.shadow.at.k if pair.shadow.at else 0
        self._write(request_record(id_, self._revision, at, (self._sources.topic, max(k, 0))), id_)
        self._counts.rechecks[ASKED] += 1

    def judged(self, results: Results, pair_at: Callable[[int], Pair]) -> Results:
        """Return the results with those pairs unstable whose second answer differed. Raises `RegistryError`."""
        if self._config.candidate.rechecks:
            for place in _mismatches(results.outcomes):
                verdict = self._verdict_of(pair_at(place))
                if verdict is not None and verdict.kind == Outcome.UNSTABLE:
                    differences = results[place].differences
                    results.put(place, PairResult(Outcome.UNSTABLE, differences, reason=verdict.reason))
        return results

    def counted(self, outcomes: Sequence[str], pair_at: Callable[[int], Pair]) -> None:
        """Count the compared pairs, and the rechecks of those that differ; their verdicts are no longer needed."""
        if not self._config.candidate.rechecks:
            return
        self._pairs += len(outcomes)
        for place, outcome in enumerate(outcomes):
            if outcome not in (Outcome.MISMATCH, Outcome.UNSTABLE):
                continue
            pair = pair_at(place)
            verdict = self._verdict_of(pair) or Verdict(RECHECK_SKIPPED)
            self._verdicts.pop(self._id(pair), None)
            self._counts.recheck(pair, verdict.kind)

    def answer(self, record: Mapping[str, Any]) -> None:
        """Take a mark of kind recheck. The first answer to a request counts; all others are passed over."""
        id_, at, answer = Answer.of(record)
        if record["revision"] != self._revision:
            return
        if not self.asks and len(self._stored) < ANSWERS_MAX:
            self._stored.setdefault(id_, (at, answer))
        waiting = self._waiting.get(id_)
        if waiting is not None and waiting.answer is None and waiting.at == at:
            waiting.answer = answer

    def tick(self, now_ms: int) -> None:
        """Note the time. A new pair waits from then on."""
        self._now_ms = now_ms
        for one in self._waiting.values():
            if one.since_ms is None:
                one.since_ms = now_ms

    def take(self, limit: int) -> list[Pair]:
        """Remove and return at most `limit` pairs that need not wait any more; they are compared again."""
        due: list[tuple[str, Verdict]] = []
        for id_, one in self._waiting.items():
            if len(due) >= limit:
                break
            is_late = self._is_late(one)
            if one.answer is None and not is_late:
                continue
            try:
                due.append((id_, self._verdict(one.pair, one.answer)))
            except RegistryError:
                if is_late:
                    due.append((id_, Verdict(RECHECK_UNANSWERED)))
        self._verdicts.update(due)
        return [self._leave(id_) for id_, _ in due]

    def shed(self, sheds: ShedRule) -> list[Unmatched]:
        """Remove all pairs with shed ids and return each of their records as unmatched."""
        shed = [id_ for id_, one in self._waiting.items() if sheds(one.pair.id)]
        pairs = [self._leave(id_) for id_ in shed]
        return [Unmatched(side, row, pair.id) for pair in pairs for side, row in rows_of(pair)]

    def offsets(self, side: Side) -> Iterator[int]:
        """Yield the offsets of a side's waiting records."""
        rows = chain.from_iterable(rows_of(one.pair) for one in self._waiting.values())
        return (row.offset for one, row in rows if one is side)

    def end(self) -> list[Write]:
        """Return the record that the task has ended all pairs: the runner need not wait for requests any more."""
        if not self._config.candidate.rechecks:
            return []
        record = complete_record(self._sources.name, self._revision)
        return [self._written(record, self._sources.name)]

    def snapshot(self) -> dict[str, int]:
        """Return the counts for the state record, without the waiting pairs: a restart asks for them again."""
        if not self._config.candidate.rechecks:
            return {}
        return {"recheck_asked": self._asked - len(self._waiting), "recheck_pairs": self._pairs}

    def restore(self, counts: Mapping[str, int]) -> None:
        self._asked, self._pairs = counts.get("recheck_asked", 0), counts.get("recheck_pairs", 0)

    def _id(self, pair: Pair) -> str:
        return self._counts.rows.pair_id(Side.PRODUCTION, pair.production)

    def _input(self, pair: Pair) -> InputAt | None:
        """Return the input of a pair; None if it is not known, or another revision of the candidate answered it."""
        at, revision = pair.shadow.at, pair.shadow.revision
        if at is None or revision not in (None, self._revision[: 2 * REVISION_BYTES]):
            return None
        return InputAt(self._config.inputs[at.topic], at.partition, at.offset)

    def _verdict_of(self, pair: Pair) -> Verdict | None:
        id_ = self._id(pair)
        known = self._verdicts.get(id_)
        if known is None and not self.asks and (stored := self._stored.get(id_)) and stored[0] == self._input(pair):
            known = self._verdicts[id_] = self._verdict(pair, stored[1])
        return known

    def _verdict(self, pair: Pair, answer: Answer | None) -> Verdict:
        """Compare the first answer with the second by the rules. Raises `RegistryError` while a schema lacks."""
        if answer is None or not answer.is_answer:
            return Verdict(RECHECK_UNANSWERED)
        if answer.result == SILENT:
            return Verdict(Outcome.UNSTABLE, "called again on the same input, the candidate gave no answer")
        (result,) = self._comparer.again([pair.shadow.value], [answer.value])
        if result.outcome != Outcome.MISMATCH:
            is_same = result.outcome in (Outcome.MATCH, Outcome.TOLERATED, Outcome.IGNORED)
            return Verdict(SAME if is_same else RECHECK_UNANSWERED)
        paths = list(dict.fromkeys(self._redactor.path(one) for one in result.differences))
        shown = ", ".join(path or "the whole value" for path in paths[:PATHS_MAX])
        more = f" and {len(paths) - PATHS_MAX} more" if len(paths) > PATHS_MAX else ""
        return Verdict(
            Outcome.UNSTABLE, f"called again on the same input, the candidate gave another answer: {shown}{more}"
        )

    def _is_late(self, one: Waiting) -> bool:
        # A clock that was set back ends the wait too.
        waited_ms = 0 if one.since_ms is None else self._now_ms - one.since_ms
        return not 0 <= waited_ms < self._config.candidate.recheck_ms

    def _leave(self, id_: str) -> Pair:
        pair = self._waiting.pop(id_).pair
        self._bytes -= _bytes_of(pair)
        for side, row in rows_of(pair):
            self._held.leave(side, row)
        return pair

    def _write(self, record: dict[str, Any], key: str) -> None:
        self._counts.writes.append(self._written(record, key))

    def _written(self, record: dict[str, Any], key: str) -> Write:
        return Write(self._config.plan.of("rechecks"), 0, key.encode(), own.encode("recheck", record))


def _bytes_of(pair: Pair) -> int:
    return sum(row_bytes(row) for _, row in rows_of(pair))


def _mismatches(outcomes: Sequence[str]) -> list[int]:
    return [place for place, outcome in enumerate(outcomes) if outcome == Outcome.MISMATCH]
