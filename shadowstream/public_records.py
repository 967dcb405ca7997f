"""Records for subscribers: diff, drift and verdict as frozen classes, field by field as in ``schemas/``.

The schemas and docs/topics.md define each field. Every row also has `at`, its own coordinate. Under at_least_once a
row may be delivered again, with the same `at`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shadowstream.record_classes import maker


@dataclass(frozen=True, slots=True)
class RecordId:
    """A Kafka record."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that differs in one pair."""

    path: str
    kind: str
    production: str | None
    shadow: str | None
    delta: float | None


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One outcome; plain matches appear only as a sample. The last row of a pair id is valid."""

    at: RecordId
    pair_id: str
    task: str
    outcome: str
    revision: str
    time_ms: int
    key: bytes | None
    production: RecordId | None
    shadow: RecordId | None
    input: str | None
    differences: tuple[Difference, ...]
    reason: str | None
    late: bool
    correction_of: str | None
    twin: RecordId | None
    identity: str
    id: bytes | None
    ambiguous: bool
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """A change over time, or an incident that opens or closes."""

    at: RecordId
    event: str
    incident: str
    revision: str
    criterion: str
    detector: str
    direction: str
    window_start_ms: int
    window_end_ms: int
    before: float
    after: float
    width: int
    estimation: float
    reason: str
    subject: str
    units: str
    limit: float | None
    since_ms: int | None
    n: float | None
    bad: float | None


@dataclass(frozen=True, slots=True)
class PlannedLooks:
    """Looks of the group-sequential rule at one criterion."""

    units: int
    looks: int
    done: int
    n: int
    bad: int
    allowed: int
    next_n: int | None
    next_allowed: int
    end_n: int
    end_allowed: int


@dataclass(frozen=True, slots=True)
class QuantileOfSide:
    """The quantile of one side's latency, ms, with its limits."""

    side: str
    quantile: float
    ms: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of one side's latency, ms."""

    side: str
    n: int
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class CriterionVerdict:
    """The state of one criterion."""

    rate: str
    unit: str
    limit: float
    critical: bool
    n: int
    s: int
    estimate: float | None
    lower: float | None
    upper: float | None
    log_e_below: float
    log_e_above: float
    log_promote_at: float
    log_reject_at: float
    shown_good: bool
    shown_bad: bool
    least_caught: float | None
    units_needed: int | None
    units: str
    bad: float
    alpha: float
    muted: bool
    required: bool
    min_units: int
    passed: bool
    deff_window: float | None
    deff_key: float | None
    deff_window_max: float | None
    deff_key_max: float | None
    keys: int
    keys_needed: int
    dependence: float | None
    dependence_max: float | None
    trailing_n: int
    trailing_bad: float
    trailing_needed: int
    path_seen: bool
    coverage: float | None
    eligible: int
    min_coverage: float
    difference: float | None
    margin: float | None
    bound: float | None
    planned: PlannedLooks | None
    quantiles: tuple[QuantileOfSide, ...]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Answers of one tenth: labelled pairs, their mean answer, and the share of true labels."""

    upper: float
    n: int
    answer: float
    share: float


@dataclass(frozen=True, slots=True)
class QualityOfSide:
    """A measure of one side's answers on labelled pairs, for display."""

    measure: str
    side: str
    n: int
    value: float
    low: float | None
    high: float | None
    by_chance: float | None
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True, slots=True)
class Noise:
    """The difference of production from itself at a path: pairs with its twin, and those that differ there."""

    path: str
    n: int
    s: int


@dataclass(frozen=True, slots=True)
class BinOfValues:
    """Values in one bin of a distribution."""

    bin: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class DistributionOfValues:
    """The last comparison of a field's distribution; it decides nothing."""

    path: str
    compared: str
    level: float
    tests: int
    psi: float | None
    by_chance: float | None
    deff: float
    n_before: int
    n_after: int
    from_ms: int | None
    to_ms: int | None
    top: int
    bins: tuple[BinOfValues, ...]
    incident: str | None
    since_ms: int | None
    waits: str


@dataclass(frozen=True, slots=True)
class SliceExcess:
    """A slice with an excess of mismatches."""

    dimensions: tuple[str, ...]
    values: tuple[str, ...]
    n: int
    s: int
    lower: float
    log_e: float
    latched_ms: int | None


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An open incident, with the operators' acknowledgements and mutes."""

    id: str
    subject: str
    opened_ms: int
    reason: str
    members: tuple[str, ...]
    absorbed: int
    acknowledged_by: str | None
    acknowledged_reason: str | None
    muted_by: str | None
    muted_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's decision that takes precedence over the evidence."""

    decision: str
    by: str
    reason: str
    at_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's approval of a promote by evidence; without `approved` the gate answers not yet."""

    promote_since_ms: int | None
    approved: bool
    by: str | None
    reason: str | None
    at_ms: int | None


@dataclass(frozen=True, slots=True)
class Handover:
    """The candidate's takeover of production's group. `offsets`: the first input that it answers, by partition."""

    by: str
    reason: str
    at_ms: int
    group: str
    offsets: tuple[RecordId, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One line of conservation: two numbers that must be equal."""

    ledger: int
    place: str
    expected: int
    counted: int


@dataclass(frozen=True, slots=True)
class Source:
    """A range of offsets that the evidence covers."""

    topic: str
    partition: int
    from_offset: int
    to_offset: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One evaluation; the last of a revision is valid."""

    at: RecordId
    name: str
    revision: str
    decision: str
    final: bool
    reasons: tuple[str, ...]
    criteria: tuple[CriterionVerdict, ...]
    criteria_hash: str
    outcomes: Mapping[str, int]
    fields: Mapping[str, int]
    coverage: float | None
    remainder: int
    ledgers: tuple[Ledger, ...]
    incidents_open: tuple[str, ...]
    windows_closed: int
    windows_open: int
    from_ms: int | None
    to_ms: int | None
    warm_up: int
    candidate_isolation: str
    evidence_digest: str
    evaluated_at_ms: int
    sources: tuple[Source, ...]
    caveats: tuple[str, ...]
    release: str | None
    attempt: int
    slices: tuple[SliceExcess, ...]
    slices_counted: int
    slices_dropped: int
    incidents: tuple[OpenIncident, ...]
    override: Override | None
    handover: Handover | None
    min_duration_ms: int | None
    covered_ms: int | None
    season_ms: int | None
    coverage_candidate: float | None
    coverage_lately: float | None
    min_coverage: float | None
    outcome_reasons: Mapping[str, int]
    noise: tuple[Noise, ...]
    candidates: int
    latencies: tuple[Percentiles, ...]
    distributions: tuple[DistributionOfValues, ...]
    quality: tuple[QualityOfSide, ...]
    steered: tuple[str, ...]
    approval: Approval | None


PublicRecord = DiffRow | DriftEvent | Verdict
ROWS: Mapping[str, type[PublicRecord]] = {"diff": DiffRow, "drift": DriftEvent, "verdict": Verdict}
"""The class of each topic's rows; the topic's name is also its schema's name."""


def row_of(topic: str, record: Mapping[str, Any], at: RecordId) -> PublicRecord:
    """Return the row of a decoded record of `topic`, one of `ROWS`.

    >>> drift = dict(event="opened", incident="i", revision="ab", criterion="mismatch", detector="adwin",
    ...     direction="up", window_start_ms=0, window_end_ms=9, before=0.1, after=0.5, width=3, estimation=0.4,
    ...     reason="it rose", subject="mismatch", units="pairs", limit=0.01, since_ms=0, n=20.0, bad=10.0)
    >>> row_of("drift", drift, RecordId("shadow.fraud.drift", 0, 7)).after
    0.5
    """
    made: PublicRecord = _MAKERS[topic]({**record, "at": at})
    return made


_MAKERS = {topic: maker(kind) for topic, kind in ROWS.items()}
