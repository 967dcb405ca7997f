"""Config of the decision: criteria, drift, and durations."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from shadowstream.config.model import DAY_MS, HOUR_MS, AnyPath, Millis, Model, PositiveMillis, Rate
from shadowstream.paths import names_several

RateName = Literal[
    "mismatch", "field", "missing", "extra", "error", "duplicate",
    "slower", "over", "latency", "mean", "check", "twin", "expected", "labels", "cost",
]  # fmt: skip

# Keys that a rate requires, and the rates that may be counted by key.
_NAMES = {
    "field": ("path",),
    "mean": ("path", "bound"),
    "check": ("check", "path"),
    "expected": ("name",),
    "cost": ("reference_ms", "ratio"),
    "latency": ("quantile", "ratio"),
}
_BY_KEY = ("mismatch",)
OF_PARTS = ("mismatch", "field", "missing", "extra", "error", "duplicate", "slower", "over", "mean", "check")
"""Rates that the joiner counts by the value of a dimension."""
OF_INPUTS = ("error", "cost", "labels")
"""Rates that are not counted by output topic."""

Level = Annotated[float, Field(gt=0, le=0.25)]
"""A significance level. A greater one would be meaningless: at .999, five pairs would suffice."""
LIMIT_MAX = 0.99
"""The worst rate that the detectors over time support."""
KEY_BUCKETS = 1_024
"""Number of buckets by which `unit: key` counts."""
SHARE_MIN = 1e-6
"""Sums of shares are kept in units of 2**-32: for a smaller mean, no sum would ever grow."""


class Criterion(Model):
    """One rule of the gate: promote only while the rate is shown to be under the limit."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].remove("limit"))

    rate: RateName = Field(
        description="what is judged. mismatch, missing, extra, error, duplicate: outcomes, as the table of outcomes "
        "counts them. field: pairs that differ at `path`. slower, over: pairs in which the candidate is slower than "
        "production, or over the latency limit. latency: the quantile of the candidate's latency against `ratio` times "
        "production's. mean: the mean difference of the numbers at `path`, as a share of "
        "`bound`. check: values at `path` that fail `check`. twin, labels: of the pairs on which only one of the two "
        "is wrong, the share on which it is the candidate; .5 asks for better than equal. expected: pairs that differ "
        "as declared under `name`. cost: inputs that take the candidate more CPU time than `ratio` times `reference_ms`"
    )
    limit: Rate = Field(
        description="p0: the rate that must be shown not to be reached, in (0, 1); of latency 1 - quantile, if left out"
    )
    path: AnyPath | None = Field(None, min_length=1, description="path of the field: for field, mean and check")
    bound: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="for mean: a difference of this size or more counts as 1"
    )
    check: Literal["schema", "null", "range", "category"] | None = Field(None, description="for check: which one")
    name: str | None = Field(None, min_length=1, description="for expected: name of the declared change")
    reference_ms: float | None = Field(
        None,
        ge=0.001,
        allow_inf_nan=False,
        description="for cost: CPU time that production takes for one input, ms, as you have measured it there; "
        "shadowstream does not measure production",
    )
    ratio: float | None = Field(
        None,
        ge=0.01,
        allow_inf_nan=False,
        description="for cost: an input is costly above this many times reference_ms. For latency: how many times "
        "production's quantile must not be reached; at 1 the candidate must be shown faster",
    )
    quantile: float | None = Field(
        None, ge=0.5, le=0.9999, description="for latency: which quantile, 0.99 for p99; limit is 1 - quantile"
    )
    where: dict[str, str | int | float | bool | None] | None = Field(
        None,
        min_length=1,
        max_length=2,
        description="count only records with these values of compare.dimensions, for example {tenant: eu}",
    )
    topic: str | None = Field(None, min_length=1, description="count only records of this output topic of production")
    unit: Literal["record", "key", "block"] = Field(
        "record",
        description="what is counted. record: each pair or record. key: the share of bad pairs of each bucket of keys, "
        "once a season (judge.min_duration_ms); for mismatch. block: the share of bad ones per window; windows must "
        "not depend on each other. Where mismatches cluster, records are the wrong unit and cannot promote",
    )
    alpha: Level | None = Field(None, description="level of this criterion; default: judge.alpha")
    min_units: int = Field(0, ge=0, description="least units before promote, however good they are")
    trailing_units: int = Field(
        0,
        ge=0,
        description="units that the last closed windows must hold before promote. Default: as many as have come. Their "
        "estimate must be under the limit; they are the last twice as many as prove a candidate without a bad one",
    )
    min_coverage: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="least share of its eligible units that had what it measures: numbers for mean, a value for check, "
        "the field for field, a key for unit: key, both latencies, a label, a twin, a measured call. Default: "
        "judge.min_coverage; 0.9 for slower, over, cost and twin, 0.5 for labels, where that is less",
    )
    critical: bool = Field(True, description="whether an excess rejects the candidate")
    muted: bool = Field(False, description="shown in the verdict and takes no part in the decision")
    required: bool = Field(True, description="whether it holds promote back while it has no data at all")

    @property
    def id(self) -> str:
        """The criterion's name in the verdict, in drift and in metrics; unique within the judge.

        >>> Criterion(rate="check", check="null", path="user.zip", limit=0.01).id
        'check:null:user.zip'
        """
        quantile = f"p{100 * self.quantile:.6g}" if self.quantile else None
        named = ":".join(part for part in (self.rate, self.check, self.name, self.path, quantile) if part)
        parts = [*([f"topic={self.topic}"] if self.topic else []), *([self.slice] if self.slice else [])]
        return f"{named}@{','.join(parts)}" if parts else named

    @property
    def slice(self) -> str:
        """The values in `where`, in the order of the dimensions' names; empty without it.

        >>> Criterion(rate="mismatch", limit=0.01, where={"tenant": "eu", "paid": True}).slice
        'paid=true,tenant=eu'
        """
        named = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in (self.where or {}).items()
        }
        return ",".join(f"{name}={text}" for name, text in sorted(named.items()))

    @property
    def over_ns(self) -> int | None:
        """CPU time above which an input is costly, ns; None unless cost is judged.

        >>> Criterion(rate="cost", reference_ms=2.0, ratio=1.5, limit=0.01).over_ns
        3000000
        """
        if self.reference_ms is None or self.ratio is None:
            return None
        return round(self.reference_ms * self.ratio * 1e6)

    @model_validator(mode="before")
    @classmethod
    def _limit_of_a_quantile(cls, given: Any) -> Any:
        """Complete the limit of a latency quantile: the share of pairs that may lie beyond it."""
        if not isinstance(given, dict) or given.get("rate") != "latency" or "limit" in given:
            return given
        quantile = given.get("quantile")
        return given | {"limit": round(1.0 - quantile, 12)} if isinstance(quantile, float) else given

    @model_validator(mode="after")
    def _has_the_keys_of_its_rate(self) -> Criterion:
        required = _NAMES.get(self.rate, ())
        if self.rate == "cost" and self.reference_ms is None:
            raise ValueError(
                "rate: cost needs reference_ms: shadowstream cannot measure production, so measure its CPU time there "
                "(seconds of its process over records that it answered) and give it in ms per input"
            )
        for part in ("path", "bound", "check", "name", "reference_ms", "ratio", "quantile"):
            given = getattr(self, part) is not None
            if given and part not in required:
                raise ValueError(f"{part} does not go with rate: {self.rate}")
            if part in required and not given:
                # In YAML, null without quotes is no text.
                which = ': schema, "null" in quotes, range or category' if part == "check" else ""
                raise ValueError(f"rate: {self.rate} needs {part}{which}")
        if self.rate in ("mean", "check") and names_several(self.path or ""):
            raise ValueError(f"path: a star names several values, and rate: {self.rate} looks at one; name it")
        if self.unit == "key" and self.rate not in _BY_KEY:
            raise ValueError(f"unit: key goes with rate: {' and '.join(_BY_KEY)} only; take block for {self.rate}")
        if self.where and self.rate not in OF_PARTS:
            raise ValueError(f"where does not go with rate: {self.rate}; it goes with {', '.join(OF_PARTS)}")
        if self.topic and self.rate in OF_INPUTS and not (self.where and self.rate == "error"):
            raise ValueError(f"topic does not go with rate: {self.rate}: an input belongs to no output topic")
        if self.unit == "key" and (self.where or self.topic):
            raise ValueError("unit: key is of all pairs; with where or topic take record or block")
        if self.unit != "record" and self.rate == "mean":
            raise ValueError("a mean is of records; leave unit out")
        if self.rate == "latency":
            if self.unit != "record":
                raise ValueError("a latency quantile is of records; leave unit out")
            if self.quantile is not None and abs(self.limit - (1.0 - self.quantile)) > 1e-9:
                raise ValueError("limit: that of rate: latency is 1 - quantile; leave it out")
        if self.limit >= LIMIT_MAX:
            raise ValueError(f"limit: less than {LIMIT_MAX}, else no rate would be over it")
        if (self.unit != "record" or self.rate == "mean") and self.limit < SHARE_MIN:
            raise ValueError(f"limit: a share or mean of less than {SHARE_MIN} is finer than its evidence is kept")
        return self


def least_limit_by_key(alpha: float) -> float:
    """Return the least limit, in steps of 0.0001, that all buckets of keys can show not to be reached at level alpha.

    That is by the bets of `judge.evidence.bounded_mean`, if no bucket has a bad record.

    >>> least_limit_by_key(0.05)
    0.0042
    """

    def wealth(limit: float) -> float:
        bets = (0.0999 * part / (1.0 - limit) for part in range(1, 11))
        return sum(math.exp(KEY_BUCKETS * math.log1p(bet * limit)) for bet in bets) / 10

    return next(step / 10_000 for step in range(1, 10_000) if wealth(step / 10_000) >= 1.0 / alpha)


GUARDS = ("missing", "extra", "error", "duplicate")
"""Rates that are judged even if `criteria` does not name them."""


def default_criteria() -> list[Criterion]:
    """The criteria of a config without `criteria`."""
    return [Criterion.model_validate({"rate": rate, "limit": 0.01}) for rate in ("mismatch", *GUARDS)]


class Drift(Model):
    """Config of the detection of changes over time."""

    delta: float = Field(0.002, gt=0, lt=1, description="ADWIN's confidence parameter, per step")
    min_records: int = Field(200, ge=1, description="windows are merged until they hold this many records")
    min_effect: float = Field(
        0.5, gt=0, allow_inf_nan=False, description="least change of the rate that counts, as a share of its limit"
    )


class Judge(Model):
    """Config of the decision."""

    window_ms: PositiveMillis = Field(HOUR_MS, description="length of an event-time window, ms")
    min_duration_ms: Millis = Field(DAY_MS, description="least event time with traffic before promote, ms")
    alpha: Level = Field(0.05, description="greatest probability of a wrong promote, and of a wrong reject")
    criteria: list[Criterion] = Field(
        default_factory=default_criteria,
        min_length=1,
        max_length=100,
        description="all must be shown good; missing, extra, error and duplicate are judged at a limit of 0.01 even "
        "where they are not named, unless they are named with muted: true",
    )
    min_coverage: float = Field(
        0.99,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="least share of production's records that must be compared or judged missing before promote, and "
        "of the candidate's that must be compared or judged extra; warm-up is left out",
    )
    drift: Drift = Field(default_factory=Drift)
    slices: Literal["guard", "show"] = Field(
        "guard",
        description="guard: promote only while no value of compare.dimensions is shown to be over the limit of a "
        "criterion; show: slices are listed and decide nothing",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Judge:
        ids = [criterion.id for criterion in self.criteria]
        twice = {id_ for id_ in ids if ids.count(id_) > 1}
        if twice:
            raise ValueError(f"criteria: {', '.join(sorted(twice))} is judged more than once")
        means = [criterion for criterion in self.criteria if criterion.rate == "mean"]
        paths = [path for path, _, _ in {(mean.path, mean.bound, mean.limit) for mean in means}]
        if len(paths) > len(set(paths)):
            raise ValueError("criteria: the criteria mean of one path need one bound and one limit")
        for criterion in self.criteria:
            least = least_limit_by_key(criterion.alpha or self.alpha)
            if criterion.unit == "key" and criterion.limit < least:
                raise ValueError(
                    f"criteria: {criterion.id}: unit: key counts {KEY_BUCKETS:,} buckets of keys, each once a season, "
                    f"which cannot show a rate under {criterion.limit:g}; set a limit of {least:g} or more, or take "
                    "unit: record"
                )
        if all(criterion.muted for criterion in self.criteria):
            raise ValueError("criteria: all are muted, so nothing would be judged")
        return self
