"""Config of privacy: the values that a trial shows, and those that it must not show."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from shadowstream.config.model import AnyPath, Model, empty

SECRET_CHARS_MIN = 8
ShownValues = Literal["numbers", "shown", "hashed", "none"]
"""The values that rows, dead letters, messages and pages show; docs/privacy.md has a table."""


class Redact(Model):
    """Parts of values, keys and ids that no record of the trial may show. The comparison still covers them."""

    paths: list[AnyPath] = Field(
        default_factory=empty,
        max_length=1000,
        description="dotted paths, as in rules; values below or around them are covered, and every field of the last "
        "name of a path. So is a field that only the candidate has, unless a rule names it. A field that an Avro alias "
        "renames is reported under production's name, so give that name here",
    )
    keys: bool = Field(False, description="record keys and correlation ids too")
    headers: list[str] = Field(
        default_factory=empty, max_length=8, description="headers among the dimensions whose values are covered"
    )
    how: Literal["hash", "drop"] = Field("hash", description="hash: equal values have equal hashes; drop: nothing")
    secret: str | None = Field(
        None,
        min_length=SECRET_CHARS_MIN,
        description="key of the hashes, of the trial alone; give it as ${VARIABLE}. Default: compare.examples.secret",
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.paths or self.keys or self.headers):
            raise ValueError("nothing is named; give paths, headers or keys: true")
        return self


class Examples(Model):
    """Examples of differences: how many, and the values that they show."""

    count: int = Field(
        3,
        ge=0,
        le=100,
        description="examples of a path in a report, by smallest hash of the pair id: the same on replay",
    )
    values: ShownValues = Field(
        "numbers",
        description="values in every record and message of the trial. numbers: numbers, booleans and times are shown; "
        "texts, bytes, keys and reasons are keyed hashes. shown: all, which the verdict records; hashed: only hashes; "
        "none: no value",
    )
    secret: str | None = Field(
        None,
        min_length=SECRET_CHARS_MIN,
        description="key of the hashes, of the trial alone; give it as ${VARIABLE}. Default: made from the id of the "
        "trial's topic starts, which readers of the cluster can see",
    )

    @model_validator(mode="before")
    @classmethod
    def _number_as_count(cls, value: Any) -> Any:
        return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


def number_or_section(schema: dict[str, Any]) -> None:
    """Allow a number in place of the section `examples` in its JSON Schema: it stands for `count`."""
    reference = {"$ref": schema.pop("$ref")} if "$ref" in schema else schema.pop("allOf")[0]
    schema["anyOf"] = [reference, {"type": "integer", "minimum": 0, "maximum": 100}]
