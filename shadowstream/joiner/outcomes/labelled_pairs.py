"""Records of `scored` for the labels role: the answers of both sides of a compared pair."""

from collections.abc import Iterable, Sequence
from itertools import repeat

from shadowstream.codecs import own
from shadowstream.compare.comparer import Comparing
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.matching.matches import Pair
from shadowstream.paths import parse_one
from shadowstream.protocol.key_buckets import bucket_of
from shadowstream.protocol.outcomes import VALUES_COMPARED
from shadowstream.protocol.scored_value import at_path
from shadowstream.records import Side, Write


class LabelledPairs:
    """Writer of `scored` records of one task ("topic/partition"). It writes nothing if the config names no labels."""

    def __init__(self, config: Config, task: str, compare: Comparing) -> None:
        self._labels, self._task, self._compare = config.labels, task, compare
        self._by_id = config.identity.kind == "id"
        self._topic = config.plan.of("scored")
        self._redactor = Redactor.of(config)
        self._hides_answers = config.hides_answers
        self._partition = int(task.rpartition("/")[2])

    def scored(self, pairs: Sequence[Pair], columns: PairColumns) -> list[Write]:
        """Return one record for each compared pair. Raises as `Comparing.decode` does: call it before counting."""
        if self._labels is None:
            return []
        texts = columns.outcomes.texts(), columns.revisions.texts()
        found = zip(pairs, *texts, _parts(columns, len(pairs)), strict=True)
        compared = [(pair, revision, parts) for pair, outcome, revision, parts in found if outcome in VALUES_COMPARED]
        path = parse_one(self._labels.path)
        production = self._compare.decode(Side.PRODUCTION, [pair.production.value for pair, *_ in compared])
        shadow = self._compare.decode(Side.SHADOW, [pair.shadow.value for pair, *_ in compared])
        writes = []
        for (pair, revision, parts), *values in zip(compared, production, shadow, strict=True):
            one, other = (None if isinstance(v, RecordError) else at_path(v, path) for v in values)
            if self._hides_answers:
                one, other = self._redactor.answer(one), self._redactor.answer(other)
            id_ = self._redactor.key(pair.id if self._by_id and isinstance(pair.id, bytes) else pair.production.key)
            record = {"id": id_, "task": self._task, "revision": revision, "time_ms": pair.production.time_ms}
            answers = {"production": one, "shadow": other, "bucket": bucket_of(pair.production.key)}
            value = own.encode("scored", {**record, **answers, "end": False, "parts": parts})
            writes.append(Write(self._topic, self._partition, id_, value, pair.production.time_ms))
        return writes

    def end(self) -> list[Write]:
        """Return the record that reports the end of the task in a bounded run."""
        if self._labels is None:
            return []
        record = {"id": None, "task": self._task, "revision": "", "time_ms": 0, "production": None, "shadow": None}
        return [Write(self._topic, self._partition, None, own.encode("scored", {**record, "end": True}))]


def _parts(columns: PairColumns, size: int) -> Iterable[Sequence[str]]:
    if not columns.dimensions:
        return repeat((), size)
    named = ([one.values[code] for code in one.codes.tolist()] for one in columns.dimensions)
    return zip(*named, strict=True)
