"""How values are compared."""

from __future__ import annotations

from pydantic import Field, model_validator

from shadowstream.config.model import Model


class Rule(Model):
    """How one field is compared. The path is dotted, `*` stands for any one name or index."""

    path: str = Field(
        min_length=1, description="dotted path of the field, for example user.address.zip or items.*.price"
    )
    ignore: bool = Field(False, description="differences here are counted as ignored, never as a mismatch")
    atol: float = Field(0.0, ge=0, description="absolute tolerance, in the field's unit")
    rtol: float = Field(0.0, ge=0, description="tolerance relative to production's value")

    @model_validator(mode="after")
    def _does_something(self) -> Rule:
        if self.ignore and (self.atol or self.rtol):
            raise ValueError("ignore and a tolerance exclude each other")
        if not (self.ignore or self.atol or self.rtol):
            raise ValueError("the rule says nothing; give ignore, atol or rtol")
        return self


class Dimension(Model):
    """What pairs are sliced by: a field of production's output, or a header that the runner copies from the input."""

    name: str = Field(min_length=1, max_length=64, description="how the verdict calls it, for example carrier")
    path: str | None = Field(None, min_length=1, description="dotted path of a field of production's output")
    header: str | None = Field(
        None, min_length=1, description="header of the input; the runner copies it to the candidate's outputs"
    )

    @model_validator(mode="after")
    def _says_where(self) -> Dimension:
        if (self.path is None) == (self.header is None):
            raise ValueError("give either path or header")
        return self


class Compare(Model):
    """How values are compared; a field without a rule must be equal."""

    rules: list[Rule] = Field(default_factory=list, max_length=1000)
    dimensions: list[Dimension] = Field(
        default_factory=list,
        max_length=8,
        description="pairs are counted by each of these and by each two of them, so that a slice explains a mismatch",
    )
    values_max: int = Field(
        64, ge=1, le=1000, description="exact values of a dimension; those with the greatest hashes are (other)"
    )
    examples: int = Field(3, ge=0, le=100, description="example differences kept in the verdict")
    match_sample: float = Field(
        0.001, ge=0, le=1, description="share of plain matches shown in diff, by hash of the id"
    )
    diff_json: bool = Field(False, description="write each row of diff as JSON too, to shadow.<name>.diff.json")

    @model_validator(mode="after")
    def _names_once(self) -> Compare:
        names = [dimension.name for dimension in self.dimensions]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"dimensions: {', '.join(sorted(twice))} stands more than once")
        return self
