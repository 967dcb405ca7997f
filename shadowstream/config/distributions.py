"""Config of distributions: the fields whose values are counted in bins, and the budget of false alarms."""

import math
from typing import Self

from pydantic import Field, field_validator, model_validator

from shadowstream.config.model import Model, SinglePath

BINS_MAX = 50
FIELDS_MAX = 16
LEARNT_BINS = 10


class Distribution(Model):
    """A field whose values are counted in bins on both sides. Null, a missing field and NaN have bins of their own."""

    path: SinglePath = Field(min_length=1, description="dotted path of the field, in the outputs of both sides")
    bins: int | None = Field(
        None,
        ge=2,
        le=BINS_MAX,
        description="numbers: so many bins of about equally many values, learnt from the first windows of the trial; "
        f"default {LEARNT_BINS}, if neither edges nor categories is given",
    )
    edges: list[float] | None = Field(
        None,
        min_length=1,
        max_length=BINS_MAX - 1,
        description="numbers: rising edges of bins fixed in advance; a bin holds its lower edge, and the first and the "
        "last bin are open",
    )
    categories: int | list[str | int | float | bool] | None = Field(
        None,
        description="texts, truth values or codes: the values that have a bin each, at most 50, or how many of the "
        "most frequent values of the first windows shall have one; all other values share a bin",
    )

    @field_validator("categories", mode="before")
    @classmethod
    def _plain(cls, given: object) -> object:
        """Refuse what no branch of the type takes, in words that name the remedy."""
        if isinstance(given, list):
            if not 1 <= len(given) <= BINS_MAX:
                raise ValueError(f"categories: name 1 to {BINS_MAX} values")
            if not all(isinstance(one, str | int | float) for one in given):
                raise ValueError("categories: texts, numbers, true or false; null has a bin of its own")
        elif isinstance(given, bool) or (isinstance(given, int) and not 1 <= given <= BINS_MAX):
            raise ValueError(f"categories: a list of values, or a number from 1 to {BINS_MAX}")
        return given

    @model_validator(mode="after")
    def _has_one_kind_of_bins(self) -> Self:
        given = [name for name in ("bins", "edges", "categories") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; give one of bins, edges and categories")
        if self.edges is not None:
            if not all(map(math.isfinite, self.edges)):
                raise ValueError("edges: finite numbers; the first and the last bin are open anyway")
            if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
                raise ValueError("edges: must rise, each greater than the one before")
        if isinstance(self.categories, list) and len(set(map(repr, self.categories))) < len(self.categories):
            raise ValueError("categories: a value is named more than once")
        return self

    @property
    def is_numeric(self) -> bool:
        """Whether numbers are counted, in ordered bins."""
        return self.categories is None

    @property
    def learnt_bins(self) -> int | None:
        """Number of bins to learn from the first windows; None if the config fixes them."""
        if self.edges is not None or isinstance(self.categories, list):
            return None
        return self.categories if isinstance(self.categories, int) else self.bins or LEARNT_BINS


class DistributionAlarms(Model):
    """Config of alarms about distributions. They are delivered and shown; they never promote and never reject."""

    false_alarms_per_year: float = Field(
        1.0,
        gt=0,
        le=1_000,
        allow_inf_nan=False,
        description="expected false alarms in a year of event time at most, over all fields and comparisons together",
    )
    psi_min: float = Field(
        0.1,
        ge=0,
        allow_inf_nan=False,
        description="least population stability index that alarms; by convention 0.1 is a small shift and 0.25 a "
        "great one. 0: each shift that chance does not explain",
    )

    @property
    def is_set(self) -> bool:
        """Whether a value differs from its default."""
        return self != type(self).model_construct()
