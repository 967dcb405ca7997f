"""What decides: criteria, drift, and how long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from shadowstream.config.model import DAY_MS, HOUR_MS, Millis, Model, PositiveMillis, Rate


class Criterion(Model):
    """One rule of the gate: promote only while the rate is shown to lie under the limit."""

    rate: Literal["mismatch", "missing", "extra", "error"] = Field(description="which rate is judged")
    limit: Rate = Field(description="p0: the rate that must be shown not to be reached, in (0, 1)")
    critical: bool = Field(True, description="whether an excess rejects the candidate")


def _default_criteria() -> list[Criterion]:
    return [
        Criterion(rate="mismatch", limit=0.01),
        Criterion(rate="missing", limit=0.01),
        Criterion(rate="extra", limit=0.01),
        Criterion(rate="error", limit=0.01),
    ]


class Drift(Model):
    """When a change over time is an incident."""

    delta: float = Field(0.002, gt=0, lt=1, description="ADWIN's confidence parameter, per step")
    min_records: int = Field(200, ge=1, description="windows are merged until they hold this many records")
    min_effect: float = Field(0.5, gt=0, description="least change of the rate that counts, as a share of its limit")


class Judge(Model):
    """What decides."""

    window_ms: PositiveMillis = Field(HOUR_MS, description="length of an event-time window, ms")
    min_duration_ms: Millis = Field(DAY_MS, description="least span of event time before promote, ms")
    alpha: Rate = Field(0.05, description="greatest probability of a wrong promote, and of a wrong reject")
    criteria: list[Criterion] = Field(default_factory=_default_criteria, min_length=1)
    drift: Drift = Field(default_factory=Drift)

    @model_validator(mode="after")
    def _each_rate_once(self) -> Judge:
        rates = [criterion.rate for criterion in self.criteria]
        twice = {rate for rate in rates if rates.count(rate) > 1}
        if twice:
            raise ValueError(f"criteria: {', '.join(sorted(twice))} is judged more than once")
        return self
