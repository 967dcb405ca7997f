"""Config of the comparison of values."""

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from shadowstream.config.distributions import FIELDS_MAX, Distribution
from shadowstream.config.model import (
    AnyPath,
    AwareTime,
    Millis,
    Model,
    PositiveMillis,
    Rate,
    SinglePath,
    Tolerance,
    empty,
    section,
)
from shadowstream.config.privacy import Examples, Redact, number_or_section
from shadowstream.errors import ShadowstreamBug
from shadowstream.paths import HEADERS_PART, KEY_PART, ORDER_PART, STAR, join_path, parse_path

ENTRY_POINT = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
NORMALISERS = ("trim", "lower", "nfc", "number", "json", "utc")
"""Built-in normalisers; see `shadowstream.compare.hooks`."""

Scalar = str | int | float | bool | None
HeaderName = Annotated[str, Field(min_length=1, max_length=256)]


class Rule(Model):
    """Comparison of one field. The path is dotted; `*` stands for any one name or index.

    `exact`, `ignore`, the tolerances, `types` and `values` also hold below the path; the other keys hold only at the
    path.
    """

    path: AnyPath = Field(
        min_length=1, description="dotted path of the field, for example user.address.zip or items.*.price"
    )
    exact: bool = Field(False, description="must be equal, below a path whose rule says otherwise")
    ignore: bool = Field(False, description="differences here are counted as ignored, never as a mismatch")
    atol: Tolerance = Field(
        Decimal(0), description="absolute tolerance, in the field's unit; a number or its decimal text"
    )
    rtol: Tolerance = Field(
        Decimal(0), description="tolerance relative to production's value; a number or its decimal text"
    )
    ulp: int = Field(0, ge=0, description="tolerance in units in the last place of a double")
    ignore_case: bool = Field(False, description="texts that differ only in upper and lower case are tolerated")
    ignore_space: bool = Field(False, description="texts that differ only in white space are tolerated")
    round_ms: int = Field(
        0,
        ge=0,
        description="times in the same interval of so many ms are tolerated, in any two of these forms: timestamps, "
        "dates, ISO texts, numbers since 1970 in the unit of `epoch`",
    )
    epoch: Literal["s", "ms", "us", "ns"] = Field(
        "ms", description="round_ms: unit of a number that is a time since 1970; it is never guessed from its size"
    )
    shadow_epoch: Literal["s", "ms", "us", "ns"] | None = Field(
        None, description="round_ms: the same of the candidate's values, where it is another; default: as epoch"
    )
    absent_is_null: bool = Field(False, description="a field absent on one side and null on the other is tolerated")
    types: Literal["loose"] | None = Field(
        None,
        description="loose: values of two types that are otherwise equal are tolerated: records, enums, fixed and "
        "messages of two names, branches of a union, 1 and 1.0",
    )
    values: dict[str, Scalar] = Field(
        default_factory=dict,
        description="production's value, as text, to the candidate's that stands for it; such pairs are tolerated",
    )
    lists: Literal["ordered", "unordered", "set"] | None = Field(
        None, description="unordered: elements in any order; set: how often one stands does not matter either"
    )
    key: SinglePath | None = Field(
        None, min_length=1, description="dotted path in a list's elements whose value says which belong together"
    )
    call: str | None = Field(
        None,
        pattern=ENTRY_POINT,
        description="entry point package.module:callable of a function of production's and the candidate's value; "
        "true: tolerated. Part of the revision",
    )
    on: Literal["value", "column"] = Field(
        "value", description="call: what it takes; column: two lists, and it returns as many true or false"
    )
    normalise: list[str] = Field(
        default_factory=empty,
        max_length=16,
        description="functions that both values pass through before they are compared, in order: "
        f"{', '.join(NORMALISERS)}, or an entry point",
    )

    @field_validator("normalise")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        unknown = [name for name in names if name not in NORMALISERS and ":" not in name]
        if unknown:
            raise ValueError(f"no normaliser {unknown[0]!r}; give one of {', '.join(NORMALISERS)} or an entry point")
        return names

    @cached_property
    def doubles(self) -> tuple[float, float]:
        """`atol` and `rtol` as doubles, for fields of doubles."""
        return float(self.atol), float(self.rtol)

    @property
    def of_numbers(self) -> bool:
        return bool(self.atol or self.rtol)

    @property
    def calls(self) -> list[str]:
        """Entry points that the rule names."""
        return [entry for entry in (self.call, *self.normalise) if entry is not None and ":" in entry]

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        tolerant = self.atol or self.rtol or self.ulp or self.ignore_case or self.ignore_space or self.round_ms
        maps = self.absent_is_null or self.types or self.values or self.normalise
        does = tolerant or maps or self.lists or self.key or self.call
        if self.exact + self.ignore + bool(does) > 1:
            raise ValueError("ignore and a tolerance exclude each other; exact excludes all other keys too")
        if not (self.exact or self.ignore or does):
            raise ValueError("the rule has no effect; give ignore, atol or rtol, or another of its keys")
        if self.key and self.lists:
            raise ValueError("key already determines which elements are compared; remove lists")
        if not self.round_ms and {"epoch", "shadow_epoch"} & self.model_fields_set:
            raise ValueError("epoch and shadow_epoch are units of round_ms; give round_ms")
        if self.on == "column" and not self.call:
            raise ValueError("on: column goes with call")
        return self


class Expected(Model):
    """A declared change: pairs that differ in nothing else are expected and no mismatch."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$", description="how the verdict calls it")
    paths: list[AnyPath] = Field(
        min_length=1, max_length=100, description="dotted paths, as in rules, at or below which the change shows"
    )
    production: Scalar = Field(None, description="only where production's value there is this")
    shadow: Scalar = Field(None, description="only where the candidate's value there is this")
    call: str | None = Field(
        None,
        pattern=ENTRY_POINT,
        description="entry point of a function of production's and the candidate's value there; true: it is the change",
    )
    rate_max: Rate = Field(lt=0.99, description="bound on the share of pairs; a rate above it holds back the verdict")
    until: AwareTime = Field(description="event time from which on it is a mismatch again, with its offset from UTC")


class Dimension(Model):
    """A dimension of slices: a field of production's output, or a header that the runner copies from the input."""

    name: str = Field(min_length=1, max_length=64, description="how the verdict calls it, for example carrier")
    path: SinglePath | None = Field(None, min_length=1, description="dotted path of a field of production's output")
    header: str | None = Field(
        None, min_length=1, description="header of the input; the runner copies it to the candidate's outputs"
    )

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if (self.path is None) == (self.header is None):
            raise ValueError("give either path or header")
        return self


class Latency(Model):
    """Time that each side took from the input's time, which the header of the candidate's outputs contains."""

    over_ms: PositiveMillis = Field(description="a candidate's latency above this is over the limit, ms")
    slower_ms: Millis = Field(0, description="slower than production is slower by more than this, ms")
    production_header: str | None = Field(
        None,
        min_length=1,
        description="production's header with the time of its output, ms since the epoch as text; "
        "default: the record's timestamp, which must then be that of writing",
    )
    shadow_header: str | None = Field(
        None, min_length=1, description="the same of the candidate; default: the time in shadowstream's header"
    )


class Check(Model):
    """Condition on the candidate's values at a path. If production's value fails too, the candidate is no worse."""

    path: SinglePath = Field(min_length=1, description="dotted path of the field")
    type: Literal["number", "integer", "string", "boolean", "object", "array"] | None = Field(
        None, description="type that a value there must have; a missing field fails, null does not"
    )
    not_null: bool = Field(False, description="null, or no such field, fails")
    low: float | None = Field(None, allow_inf_nan=False, description="least number")
    high: float | None = Field(None, allow_inf_nan=False, description="greatest number; NaN and what is none fail")
    categories: list[Scalar] = Field(default_factory=empty, max_length=1000, description="all values that there may be")

    @property
    def kinds(self) -> list[str]:
        """The requested kinds: schema, null, range, category."""
        requested = {
            "schema": self.type is not None,
            "null": self.not_null,
            "range": self.low is not None or self.high is not None,
            "category": bool(self.categories),
        }
        return [kind for kind, is_requested in requested.items() if is_requested]

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.kinds:
            raise ValueError("the check has no condition; give type, not_null, low, high or categories")
        return self


class Compare(Model):
    """Comparison of values; a field without a rule must be equal."""

    rules: list[Rule] = Field(default_factory=empty, max_length=1000)
    key: bool = Field(
        False,
        description="compare the records' keys too, at the path $key; with identity.kind coordinate or id",
    )
    headers: list[HeaderName] = Field(
        default_factory=empty,
        max_length=32,
        description="headers that are compared too, each at the path $headers.<name>; those that shadowstream writes "
        "itself (s, p) cannot be",
    )
    order: bool = Field(
        False,
        description="the records of one key must come in the same order on both sides: a pair that does not differs at "
        "the path $order; with identity.kind coordinate or id. Looked at within identity.dedupe_span",
    )
    added_fields: Literal["mismatch", "ignore", "expected"] = Field(
        "mismatch",
        description="outcome of a field that only the candidate has; expected: pairs that differ in nothing else are "
        "expected under the name added_fields, which a criterion may bound",
    )
    expected: list[Expected] = Field(default_factory=empty, max_length=100, description="declared expected changes")
    duplicate_names: Literal["error", "last"] = Field(
        "error",
        description="a JSON object that holds a name twice is, error: undecodable; last: the last value counts, "
        "as for most readers, and the others are not compared",
    )
    dimensions: list[Dimension] = Field(
        default_factory=empty,
        max_length=8,
        description="pairs are counted by each of these and by each two of them, so that a slice explains a mismatch",
    )
    values_max: int = Field(
        64, ge=1, le=1000, description="exact values of a dimension; those with the greatest hashes are (other)"
    )
    redact: Redact | None = Field(None, description="values that shadowstream's topics must not show")
    latency: Latency | None = Field(None, description="latencies of both sides are compared pair by pair")
    checks: list[Check] = Field(
        default_factory=empty, max_length=100, description="checks of the candidate's values, equal ones included"
    )
    distributions: list[Distribution] = Field(
        default_factory=empty,
        max_length=FIELDS_MAX,
        description="fields whose values are counted in bins on both sides: how the candidate's are distributed beside "
        "production's, and each side's over time. Shown and alarmed, never part of the decision",
    )
    examples: Examples = section(
        description="examples of differences, and the values that the trial shows",
        json_schema_extra=number_or_section,
    )
    match_sample: float = Field(
        0.001, ge=0, le=1, description="share of plain matches shown in diff, by hash of the id"
    )
    call_timeout_ms: PositiveMillis = Field(
        5_000,
        le=20_000,
        description="longest time of one call of a function of rules or expected, ms; a pair whose call takes longer, "
        "or ends its process, is uncompared with that reason",
    )
    diff_json: bool = Field(False, description="write each row of diff as JSON too, to shadow.<name>.diff.json")

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for part, names in (
            ("dimensions", [item.name for item in self.dimensions]),
            ("expected", [item.name for item in self.expected]),
            ("checks", [item.path for item in self.checks]),
            ("distributions", [item.path for item in self.distributions]),
            ("rules", [item.path for item in self.rules]),
            ("headers", self.headers),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                hint = "; put everything into one rule" if part == "rules" else ""
                raise ValueError(f"{part}: {', '.join(sorted(twice))} is named more than once{hint}")
        return self

    @model_validator(mode="after")
    def _counts_no_secret(self) -> Self:
        for one in self.distributions:
            if self.redacts(one.path):
                raise ValueError(
                    f"distributions: {one.path} is redacted (redact.paths), and the bins of its values would show "
                    "them; remove it from one of the two"
                )
        return self

    def redacts(self, path: str) -> bool:
        """Return whether a path of `redact` leads to a value, into it or around it."""
        names, redacted = parse_path(path), self.redact.paths if self.redact else ()
        return any(
            all(own in (STAR, name) for own, name in zip(parse_path(hidden), names, strict=False))
            for hidden in redacted
        )

    @property
    def any_order(self) -> bool:
        """Whether elements of lists are compared in any order."""
        return any(rule.lists in ("unordered", "set") for rule in self.rules)

    @property
    def shows_texts(self) -> bool:
        """Whether every value may be shown as it is, texts of exceptions included."""
        return self.examples.values == "shown" and self.redact is None

    @property
    def hides_keys(self) -> bool:
        """Whether record keys and correlation ids are shown as hashes."""
        return self.examples.values != "shown" or (self.redact is not None and self.redact.keys)

    @property
    def hash_key(self) -> bytes | None:
        """The key of the hashes; None until the trial's own is known (`kafka.trial.hash_key`)."""
        given = (self.redact.secret if self.redact else None) or self.examples.secret
        return None if given is None else given.encode()

    @property
    def id_secret(self) -> bytes:
        """The key of the hashes by which marks name inputs; empty where keys are shown. Raises `ShadowstreamBug` where
        a key is needed and not known yet."""
        if not self.hides_keys:
            return b""
        if self.hash_key is None:
            raise ShadowstreamBug("keys of records are hidden, and the key of their hashes is not known")
        return self.hash_key

    def keyed(self, secret: str) -> Self:
        """Return the config with a key of the trial's own, where the config gives none."""
        if self.hash_key is not None:
            return self
        return self.model_copy(update={"examples": self.examples.model_copy(update={"secret": secret})})

    @property
    def named_paths(self) -> list[str]:
        """Paths that the config names as fields, so that their names are no data."""
        optional = [one.path for one in self.dimensions]
        single = [one.path for part in (self.rules, self.checks, self.distributions) for one in part]
        several = [path for one in self.expected for path in one.paths]
        named = (*optional, *single, *several, *self.part_paths)
        return list(dict.fromkeys(path for path in named if path is not None))

    @property
    def part_paths(self) -> list[str]:
        """Paths of the parts beside the value that are compared."""
        key = [KEY_PART] if self.key else []
        headers = [join_path([HEADERS_PART, name]) for name in self.headers]
        return [*key, *headers, *([ORDER_PART] if self.order else [])]

    @property
    def calls(self) -> list[str]:
        """Entry points that decide how values compare."""
        named = [entry for rule in self.rules for entry in rule.calls]
        return [*named, *(change.call for change in self.expected if change.call is not None)]
