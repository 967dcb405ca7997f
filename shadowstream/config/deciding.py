"""Config of the judge: what decides, for how long, and who confirms it."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shadowstream.config import losses
from shadowstream.config.distributions import DistributionAlarms
from shadowstream.config.drift import Drift
from shadowstream.config.group_sequential import GroupSequential
from shadowstream.config.judging import Criterion, Level
from shadowstream.config.key_limits import least_limit_by_key
from shadowstream.config.model import DAY_MS, HOUR_MS, Millis, Model, PositiveMillis, empty, section
from shadowstream.records import KEY_BUCKETS

GUARDS = ("missing", "extra", "error", "duplicate")
"""Rates that are judged even if `criteria` does not name them."""


def _default_criteria() -> list[Any]:
    return [{"rate": rate, "limit": 0.01} for rate in ("mismatch", *GUARDS)]


def default_criteria() -> list[Criterion]:
    """The criteria of a config without `criteria`."""
    return [Criterion.model_validate(one) for one in _default_criteria()]


class Judge(Model):
    """Config of the decision."""

    window_ms: PositiveMillis = Field(HOUR_MS, description="length of an event-time window, ms")
    min_duration_ms: Millis = Field(DAY_MS, description="least event time with traffic before promote, ms")
    alpha: Level = Field(0.05, description="greatest probability of a wrong promote, and of a wrong reject")
    criteria: list[Criterion] = Field(
        default_factory=_default_criteria,
        validate_default=True,
        min_length=1,
        max_length=100,
        description="all must be shown good; missing, extra, error and duplicate are judged at a limit of 0.01 even "
        "where they are not named, unless they are named with muted: true; so is unstable under candidate.recheck",
    )
    min_coverage: float = Field(
        0.99,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="least share of production's records that must be compared or judged missing before promote, and "
        "of the candidate's that must be compared or judged extra; without what the trial leaves out by declaration",
    )
    drift: Drift = section()
    distributions: DistributionAlarms = section()
    group_sequential: GroupSequential | None = Field(
        None,
        description="rule of a bounded trial: promote by few planned looks, with more power; default: evidence that is "
        "valid at any time, for any end",
    )
    slices: Literal["guard", "show"] = Field(
        "guard",
        description="guard: promote only while no value of compare.dimensions is shown to be over the limit of a "
        "criterion; show: slices are listed and decide nothing",
    )

    approval: Literal["automatic", "manual"] = Field(
        "automatic",
        description="manual: the gate answers a promote by evidence with not yet until a person approves it "
        "(`shadowstream approve`); no part of the revision",
    )
    commands_key: str | None = Field(
        None,
        pattern=r"^$|^.{16,}$",
        description="key of at least 16 characters that signs people's commands (override, approve, ack, mute): "
        "unsigned ones are refused. For operator, judge, alerts and readers; never for the runner, where the variable "
        "may be empty",
    )

    signing_keys: list[Annotated[str, Field(pattern=r"^$|^.{16,}$")]] = Field(
        default_factory=empty,
        max_length=2,
        description="keys of at least 16 characters, each of a variable: the judge signs verdicts with the first, and "
        "readers that have one refuse verdicts that none of them signed. Two while keys change; for judge and readers, "
        "never for the runner, where the variables may be empty",
    )

    @property
    def calls(self) -> list[str]:
        """Entry points that the criteria name."""
        return [one.loss for one in self.criteria if one.loss is not None and losses.is_entry_point(one.loss)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        ids = [criterion.id for criterion in self.criteria]
        twice = {id_ for id_ in ids if ids.count(id_) > 1}
        if twice:
            raise ValueError(f"criteria: {', '.join(sorted(twice))} is judged more than once")
        means = {
            (criterion.sums, criterion.bound, criterion.threshold)
            for criterion in self.criteria
            if criterion.rate in ("mean", "loss")
        }
        names = [name for name, _, _ in means]
        if len(names) > len(set(names)):
            raise ValueError(
                "criteria: the criteria mean, or loss, of one path need one bound and one limit, or one margin"
            )
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

    @model_validator(mode="after")
    def _fits_its_plan(self) -> Self:
        plan = self.group_sequential
        if plan is None:
            return self
        named = {criterion.rate for criterion in self.criteria}
        guards = [one for one in default_criteria() if one.rate in GUARDS and one.rate not in named]
        for criterion in [*self.criteria, *guards]:
            if criterion.unit != "record" or criterion.rate == "mean":
                raise ValueError(
                    f"group_sequential: it is exact for counts of records only, and {criterion.id} is judged by "
                    f"{criterion.unit if criterion.rate != 'mean' else 'its mean'}; remove group_sequential, or judge "
                    "that by unit: record"
                )
            least = math.ceil(math.log(criterion.alpha or self.alpha) / math.log1p(-criterion.limit))
            if plan.units < least and not criterion.muted:
                raise ValueError(
                    f"group_sequential: {plan.units} units cannot show {criterion.id} under {criterion.limit:g}, even "
                    f"without a bad one; units: {least} or more can"
                )
        return self

    def decisive(self, dumped: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the settings for a digest; without newer settings the digest is that of older releases.

        `dumped`: the settings as JSON, where the caller has dumped the whole config.
        """
        newer = {"group_sequential": self.group_sequential, "distributions": self.distributions.is_set}
        undecisive = {"commands_key", "signing_keys", "approval", *(name for name, given in newer.items() if not given)}
        settings = self.model_dump(mode="json") if dumped is None else dumped
        return {name: value for name, value in settings.items() if name not in undecisive}
