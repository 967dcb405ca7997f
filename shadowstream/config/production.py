"""Config of production: its outputs, or its answer in the input's own record, and how its progress is known."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from shadowstream.config.cluster import Schemas
from shadowstream.config.comparing import Compare
from shadowstream.config.model import Model, SinglePath
from shadowstream.config.sides import Candidate, Identity
from shadowstream.paths import parse_one


class Failure(Model):
    """Production's signal that it failed on an input: an output with a header or a field, or no output."""

    header: str | None = Field(None, min_length=1, description="header that such an output carries")
    path: SinglePath | None = Field(None, min_length=1, description="dotted path of a field of such an output")
    equals: str | None = Field(None, description="only where the header or field, as text, is this")
    silent: bool = Field(
        False,
        description="an input that production leaves without any output is one that it failed on too, so the "
        "candidate's failures count on the inputs that production answered",
    )

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.header is not None and self.path is not None:
            raise ValueError("give either header or path")
        if self.header is None and self.path is None and (self.equals is not None or not self.silent):
            raise ValueError("give either header or path, or silent: true")
        return self


def _either_outputs_or_answer(schema: dict[str, Any]) -> None:
    """Ask for one of the two keys in the JSON Schema; the config fills in the outputs of an answer."""
    schema["anyOf"] = [{"required": ["outputs"]}, {"required": ["answer"]}]
    schema["required"].remove("outputs")


class Production(Model):
    """Production's outputs, and how reliable its commits are."""

    model_config = ConfigDict(json_schema_extra=_either_outputs_or_answer)

    outputs: list[str] = Field(min_length=1, description="topics that production writes")
    answer: SinglePath | None = Field(
        None,
        min_length=1,
        description="instead of outputs: dotted path of production's answer in the input's own record. The candidate "
        "gets the record without it, and its output is compared with it",
    )
    group: str | None = Field(None, description="production's consumer group, read only for its committed offsets")
    commits: Literal["after_output", "unknown"] = Field(
        "unknown",
        description="after_output: production commits an input only after its outputs are flushed; makes extra exact",
    )
    error: Failure | None = Field(
        None,
        description="signal in an output that production failed on its input; if the candidate fails on that input "
        "too, this is no difference (outcome both_failed)",
    )

    @property
    def answer_names(self) -> list[str]:
        """The names of the path to production's answer in an input; empty where production writes outputs."""
        return [] if self.answer is None else parse_one(self.answer)

    @property
    def has_marks(self) -> bool:
        """Whether it is known with which inputs production is done: by commits, or as each holds its answer."""
        return self.group is not None or self.answer is not None

    @property
    def is_exact(self) -> bool:
        """Whether all outputs of an input exist once production is done with it."""
        return self.commits == "after_output" or self.answer is not None

    @model_validator(mode="after")
    def _has_no_progress_of_its_own(self) -> Self:
        if self.answer is None:
            return self
        if not self.answer_names:
            raise ValueError("answer: $ is the whole record, so nothing would be left for the candidate; name a field")
        if self.group is not None or self.commits != "unknown":
            raise ValueError("answer: an input holds its answer already; remove group and commits")
        return self


def with_answer_as_output(data: Any) -> Any:
    """Return a config's plain data in which the inputs are production's outputs, where they hold its answer.

    Each answer belongs to the input that holds it, so records pair by coordinate, in the partition of the input.
    """
    production = data.get("production") if isinstance(data, dict) else None
    if not isinstance(production, dict) or production.get("answer") is None or "inputs" not in data:
        return data
    filled = {"production": {"outputs": data["inputs"]}, "identity": {"kind": "coordinate"}}
    filled["candidate"] = {"partitioner": "input"}
    given = {name: data.get(name, {}) for name in filled}
    return data | {name: own | given[name] for name, own in filled.items() if isinstance(given[name], dict)}


def check_answer(
    production: Production,
    inputs: list[str],
    identity: Identity,
    candidate: Candidate,
    compare: Compare,
    schemas: Schemas,
) -> None:
    """Raise `ValueError` for what an answer in the input's own record excludes."""
    obstacles = {
        "production.outputs: the inputs hold production's answer; remove outputs, or answer": (
            production.outputs != inputs
        ),
        "inputs: production.answer goes with one input topic; run one trial for each": len(inputs) > 1,
        "identity: production.answer pairs each answer with the input that holds it; remove identity.kind, header "
        "and outputs": identity.kind != "coordinate" or identity.header is not None or identity.outputs != "one",
        "candidate.topic: a job of its own would read production's answer in its inputs; give call, pickle or "
        "http": candidate.topic is not None,
        "candidate.partitioner: with production.answer outputs go to their input's partition; remove it": (
            candidate.partitioner not in ("auto", "input")
        ),
        "compare.latency: needs production_header with production.answer, whose record has the input's own time": (
            compare.latency is not None and compare.latency.production_header is None
        ),
        "schemas.formats: production.answer reads JSON and Avro only; name another format, or give outputs": any(
            one.format in ("text", "bytes", "protobuf") for one in schemas.formats.values()
        ),
    }
    for message, is_wrong in obstacles.items():
        if is_wrong:
            raise ValueError(message)
