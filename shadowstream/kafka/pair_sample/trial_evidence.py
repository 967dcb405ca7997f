"""The evidence of one revision of a trial for proposals: counts, pairs with their values, records without a partner."""

import contextlib
from typing import NamedTuple

from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.kafka.pair_sample.pair_values import (
    PairValuesReader,
    RawPair,
    compared_pairs,
    ended_ranges,
)
from shadowstream.kafka.pair_sample.row_sample import RowSample
from shadowstream.kafka.reading.topic_reader import TopicMissing
from shadowstream.kafka.refused_records import OwnRecord
from shadowstream.kafka.trial.start_log import Starts
from shadowstream.protocol import marks
from shadowstream.protocol.outcomes import DECLARED, PAIRS, Outcome
from shadowstream.suggest.evidence import Evidence
from shadowstream.suggest.suggestions import Singles


class TrialEvidence(NamedTuple):
    """Evidence with what was left out. `kinds`: kinds of rows; `raw`: the bytes of `evidence.pairs`, in their order."""

    evidence: Evidence
    singles: Singles
    raw: list[RawPair]
    kinds: int
    gone: int
    beyond: int


def read_evidence(
    config: Config, revision: str, stats: list[OwnRecord], starts: Starts, comparer: Comparing, pairs_max: int
) -> TrialEvidence:
    """Read at most `pairs_max` differing pairs, and as many values of pairs that agree.

    Raises `BrokerError`, `RegistryError`, `StoreError`.
    """
    outcomes = compared_pairs(stats, revision)
    compared = sum(outcomes[outcome] for outcome in PAIRS)
    reader = PairValuesReader(config, comparer)
    try:
        rows = RowSample.of(config, revision)
    except TopicMissing:
        return TrialEvidence(Evidence([], 0, compared), Singles(), [], 0, 0, 0)
    with contextlib.closing(rows):
        read = reader.pairs(rows.differing(pairs_max))
        missing, extra = rows.singles()
        singles = Singles(reader.singles(missing, "production"), reader.singles(extra, "shadow"))
        start = starts.of.get(revision)
        ended = ended_ranges(stats, marks.ends_of(start) if start else {})
        # Without a row an output may be one of those that the trial leaves out, and no pair that agrees.
        whole = not any(outcomes[outcome] for outcome in DECLARED) and len(starts.of) == 1
        agreeing = reader.agreeing(rows, ended, pairs_max) if whole and compared else []
        differing = rows.outcomes[Outcome.MISMATCH]
        evidence = Evidence(read.pairs, differing, max(compared, differing), agreeing)
        return TrialEvidence(evidence, singles, read.raw, rows.kinds, read.gone, read.beyond)
