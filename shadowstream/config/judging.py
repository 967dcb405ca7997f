"""Config of one criterion: what it counts, and the limit that must be shown to hold."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from shadowstream.config import losses
from shadowstream.config.comparing import ENTRY_POINT
from shadowstream.config.model import AnyPath, Model, Rate
from shadowstream.paths import names_several

RateName = Literal[
    "mismatch", "field", "missing", "extra", "error", "duplicate",
    "slower", "over", "latency", "mean", "check", "twin", "expected", "labels", "cost", "loss", "unstable",
]  # fmt: skip

# Keys that a rate requires, and the rates that may be counted by key.
_NAMES = {
    "field": ("path",),
    "mean": ("path", "bound"),
    "check": ("check", "path"),
    "expected": ("name",),
    "cost": ("reference_ms", "ratio"),
    "loss": ("loss", "bound", "margin"),
    "latency": ("quantile", "ratio"),
}
_OPTIONAL = {"mean": ("better",), "loss": ("path", "costs", "k", "judged"), "labels": ("judged",)}
_KEYS = tuple(dict.fromkeys(key for keys in (*_NAMES.values(), *_OPTIONAL.values()) for key in keys))
_LATER = ("loss", "margin", "costs", "signed", "better", "k", "judged")
"""Keys that are not dumped where they are not given, so that a config without them keeps its revision."""
BY_KEY = ("mismatch", "missing", "extra", "error", "duplicate", "twin", "labels")
"""Rates that may be counted by bucket of keys; a loss by labels may as well, unless it compares several pairs."""
OF_PARTS = ("mismatch", "field", "missing", "extra", "error", "duplicate", "slower", "over", "mean", "check", "loss")
"""Rates that the joiner counts by the value of a dimension."""
OF_INPUTS = ("error", "cost", "labels")
"""Rates that are not counted by output topic."""

Level = Annotated[float, Field(gt=0, le=0.25)]
"""A significance level. A greater one would be meaningless: at .999, five pairs would suffice."""
LIMIT_MAX = 0.99
"""The worst rate that the detectors over time support."""
SHARE_MIN = 1e-6
"""Sums of shares are kept in units of 2**-32: for a smaller mean, no sum would ever grow."""


class Criterion(Model):
    """One rule of the gate: promote only while the rate is shown to be under the limit."""

    # A loss has a margin instead.
    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].remove("limit"))

    rate: RateName = Field(
        description="what is judged. mismatch, missing, extra, error, duplicate: outcomes, as the table of outcomes "
        "counts them. field: pairs that differ at `path`. slower, over: pairs in which the candidate is slower than "
        "production, or over the latency limit. latency: the quantile of the candidate's latency against `ratio` times "
        "production's. mean: the mean difference of the numbers at `path`, as a share of "
        "`bound`. check: values at `path` that fail `check`. twin, labels: of the pairs on which only one of the two "
        "is wrong, the share on which it is the candidate; .5 asks for better than equal. expected: pairs that differ "
        "as declared under `name`. cost: inputs that take the candidate more CPU time than `ratio` times "
        "`reference_ms`. loss: how much worse the candidate is on average, in labelled pairs or by the numbers at "
        "`path`; it must be shown to be less than `margin`. unstable: pairs that differ and in which the candidate, "
        "called again on the same input, gave another answer (candidate.recheck)"
    )
    limit: Rate = Field(
        description="p0: the rate that must be shown not to be reached, in (0, 1); of latency 1 - quantile, if left "
        "out; a loss has a margin instead"
    )
    path: AnyPath | None = Field(None, min_length=1, description="path of the field: for field, mean, check and loss")
    bound: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="for mean: a difference of this size or more counts as 1; for "
        "loss: a difference beyond it, either way, is cut to it and counted as cut",
    )
    loss: str | None = Field(
        None,
        pattern=f"^({'|'.join(losses.OF_LABELS)})$|{ENTRY_POINT}",
        description="for loss: absolute, squared, log, brier, cost (by `costs`), value (answer times label, more is "
        "better), ndcg (a ranking by relevances) of the answer at labels.path by its label; auc: how well the answers "
        "separate true from false labels; with `path` value or cost: the number there is one; or an "
        "entry point package.module:callable: of answer and label the loss, with `path` of production's and the "
        "candidate's value how much worse the candidate is. Part of the revision",
    )
    margin: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="for loss: in its units, the mean difference that the candidate must be shown not to reach; "
        "0 asks for better than equal",
    )
    costs: list[losses.ErrorCost] | None = Field(
        None,
        min_length=1,
        max_length=400,
        description="for loss: cost: what each wrong answer costs. A right answer costs 0 unless it is named; a wrong "
        "one that is not named is no usable answer, which counts as the bound",
    )
    k: int | None = Field(None, ge=1, le=10_000, description="for loss: ndcg: places that count; default: all")
    signed: bool = Field(
        False, description="for mean: candidate minus production with its sign; a candidate may be better"
    )
    better: Literal["higher", "lower"] | None = Field(None, description="for signed: which way the candidate is better")
    judged: Literal["production"] | None = Field(
        None, description="for loss and labels: production is the side that may be worse, in a trial turned round"
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
        description="unit of counts. record: each pair or record. key: the share of bad pairs of each bucket of keys, "
        "once a season (judge.min_duration_ms); for outcomes, twin and labels. block: the share of bad ones a window, "
        "which must not depend on each other. Where mismatches cluster, records are the wrong unit and cannot promote",
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
        own = (self.rate, self.judged, self.check, self.name, self.loss, self.k, self.better, self.path, quantile)
        named = ":".join(str(part) for part in own if part)
        parts = [*([f"topic={self.topic}"] if self.topic else []), *([self.slice] if self.slice else [])]
        return f"{named}@{','.join(parts)}" if parts else named

    @property
    def is_signed(self) -> bool:
        """Whether its units are differences with a sign (`protocol.signed_means`)."""
        return self.rate == "loss" or self.signed

    @property
    def is_labelled(self) -> bool:
        """Whether its units are labelled pairs."""
        return self.rate == "labels" or (self.rate == "loss" and self.path is None)

    @property
    def threshold(self) -> float:
        """The mean of units that must be shown not to be reached: the limit, of a signed mean as a unit."""
        return (self.limit + 1.0) / 2.0 if self.signed else self.limit

    @property
    def sums(self) -> str:
        """Name of the sums of a mean or a loss in stats records.

        >>> Criterion(rate="loss", loss="value", path="profit", bound=9, margin=0.5).sums
        'loss:value:profit'
        """
        signed = (self.rate, self.judged, self.loss, self.k, self.better, self.path)
        return ":".join(str(part) for part in (signed if self.is_signed else (self.path,)) if part)

    @model_serializer(mode="wrap")
    def _without_later_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped = handler(self).items()
        return {name: item for name, item in dumped if name not in _LATER or not (item is None or item is False)}

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
    def _limit_that_follows(cls, given: Any) -> Any:
        """Complete the limit of a loss, from its margin, and of a latency quantile, the share that may lie beyond."""
        if not isinstance(given, dict) or given.get("rate") != "latency" or "limit" in given:
            return losses.with_limit(given)
        quantile = given.get("quantile")
        return given | {"limit": round(1.0 - quantile, 12)} if isinstance(quantile, float) else given

    @model_validator(mode="after")
    def _has_the_keys_of_its_rate(self) -> Self:
        required = _NAMES.get(self.rate, ())
        if self.rate == "cost" and self.reference_ms is None:
            raise ValueError(
                "rate: cost needs reference_ms: shadowstream cannot measure production, so measure its CPU time there "
                "(seconds of its process over records that it answered) and give it in ms per input"
            )
        for part in _KEYS:
            given = getattr(self, part) is not None
            if given and part not in (*required, *_OPTIONAL.get(self.rate, ())):
                raise ValueError(f"{part} does not go with rate: {self.rate}")
            if part in required and not given:
                # In YAML, null without quotes is no text.
                which = ': schema, "null" in quotes, range or category' if part == "check" else ""
                raise ValueError(f"rate: {self.rate} needs {part}{which}")
        if self.signed and self.rate != "mean":
            raise ValueError(f"signed does not go with rate: {self.rate}")
        if found := losses.problem(self):
            raise ValueError(found)
        if self.rate in ("mean", "check", "loss") and names_several(self.path or ""):
            raise ValueError(f"path: a star names several values, and rate: {self.rate} looks at one; name it")
        of_one_pair = self.rate == "loss" and self.is_labelled and self.loss != "auc"
        if self.unit == "key" and self.rate not in BY_KEY and not of_one_pair:
            named = ", ".join(BY_KEY)
            raise ValueError(f"unit: key goes with rate: {named}, and with losses by labels but auc; take block")
        if self.where and self.rate not in OF_PARTS:
            raise ValueError(f"where does not go with rate: {self.rate}; it goes with {', '.join(OF_PARTS)}")
        if self.topic and self.rate in OF_INPUTS and not (self.where and self.rate == "error"):
            raise ValueError(f"topic does not go with rate: {self.rate}: an input belongs to no output topic")
        if self.unit == "key" and (self.where or self.topic):
            raise ValueError("unit: key is of all pairs; with where or topic take record or block")
        if self.unit != "record" and self.rate == "mean" and not self.signed:
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
