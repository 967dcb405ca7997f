"""The config of one trial: frozen, closed models; every field says its unit.

Unknown keys are errors. Everything has a default except `name`, `inputs`, `production.outputs` and
`candidate.call`. Reading the YAML file (variables, line numbers) is `shadowstream.configfile`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shadowstream.topics import TopicPlan

Rate = Annotated[float, Field(gt=0, lt=1)]
Millis = Annotated[int, Field(ge=0)]
PositiveMillis = Annotated[int, Field(gt=0)]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
OWNED_PROPERTIES = frozenset(
    (
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "message.timeout.ms",
        "partition.assignment.strategy",
        "transaction.timeout.ms",
        "transactional.id",
    )
)


class Model(BaseModel):
    """A closed, immutable part of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(Model):
    """How to reach the cluster. One cluster holds everything; two are not supported."""

    bootstrap: str = Field("localhost:9092", min_length=1, description="host:port of one or more brokers, by comma")
    client: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="librdkafka properties for every client, for example security settings"
    )

    @model_validator(mode="after")
    def _leaves_ours(self) -> Kafka:
        ours = sorted(name for name in self.client if name in OWNED_PROPERTIES)
        if ours:
            raise ValueError(f"client: {', '.join(ours)} cannot be set: the guarantees and the isolation rest on it")
        return self


class Schemas(Model):
    """Where writer schemas come from: a folder of `<id>.<subject>.avsc`, or a schema registry."""

    dir: str | None = Field(None, description="folder of <id>.<subject>.avsc files, relative to the config file")
    registry: str | None = Field(None, description="URL of a Confluent-compatible schema registry")

    @model_validator(mode="after")
    def _one_source(self) -> Schemas:
        if self.dir and self.registry:
            raise ValueError("give either dir or registry, not both")
        return self


class Production(Model):
    """What production writes, and how far its word can be trusted."""

    outputs: list[str] = Field(min_length=1, description="topics that production writes")
    group: str | None = Field(None, description="production's consumer group, read only for its committed offsets")
    commits: Literal["after_output", "unknown"] = Field(
        "unknown",
        description="after_output: production commits an input only after its outputs are flushed; makes extra exact",
    )


class Candidate(Model):
    """The code under trial."""

    call: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="entry point package.module:callable of the candidate"
    )
    takes: Literal["value", "batch"] = Field("value", description="what the callable takes: one value or a list")
    trusted: bool = Field(
        False, description="run the candidate inside the runner's process; every verdict shows that it was"
    )
    files: list[str] = Field(
        default_factory=list, description="further files that define the candidate (a model file); part of the revision"
    )
    output_format: Literal["avro", "json"] | None = Field(
        None, description="how outputs are written; default: avro where a schema <topic>-value is known, else json"
    )
    partitioner: Literal["input", "murmur2", "crc32"] = Field(
        "input", description="how production chooses an output's partition: as its input's, or by hash of the key"
    )


class Identity(Model):
    """What makes a production output and a candidate output a pair."""

    kind: Literal["key", "coordinate"] = Field("key", description="key: declared unique; coordinate: by input offset")
    header: str | None = Field(
        None,
        description="coordinate: production's header naming the input as topic/partition/offset or .../k; "
        "default: the packed header",
    )


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


class Compare(Model):
    """How values are compared; a field without a rule must be equal."""

    rules: list[Rule] = Field(default_factory=list, max_length=1000)
    examples: int = Field(3, ge=0, le=100, description="example differences kept in the verdict")
    match_sample: float = Field(
        0.001, ge=0, le=1, description="share of plain matches shown in diff, by hash of the id"
    )
    diff_json: bool = Field(False, description="write each row of diff as JSON too, to shadow.<name>.diff.json")


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


class Alerts(Model):
    """Where incidents and rejects are delivered to."""

    webhook: str | None = Field(None, pattern=r"^https?://", description="URL that takes a POST of JSON per alert")
    timeout_ms: PositiveMillis = Field(5_000, description="longest time that one delivery may take, ms")


class Limits(Model):
    """Bounds. Reaching one is an outcome that is reported, never a crash or a silent loss."""

    commit_ms: PositiveMillis = Field(500, description="longest time between two commits, ms")
    commit_records: int = Field(50_000, ge=1, description="most records between two commits")
    value_bytes_max: int = Field(900_000, ge=1, description="largest candidate output value, bytes")
    pending_bytes_max: int = Field(1_000_000_000, ge=1, description="most bytes of unpaired records per joiner process")
    transaction_timeout_ms: PositiveMillis = Field(10_000, description="transaction.timeout.ms of our producers")


class Config(Model):
    """One trial: one candidate beside one production."""

    name: str = Field(description="name of the trial; every topic and group begins with shadow.<name>.")
    kafka: Kafka = Field(default_factory=Kafka)
    schemas: Schemas = Field(default_factory=Schemas)
    inputs: list[str] = Field(min_length=1, description="topics that production and the candidate read")
    production: Production
    candidate: Candidate
    identity: Identity = Field(default_factory=Identity)
    compare: Compare = Field(default_factory=Compare)
    start: Literal["production-group", "latest", "earliest"] | None = Field(
        None, description="where the candidate begins; default: production-group where the group is known, else latest"
    )
    bounded: bool = Field(
        False,
        description="for inputs that do not grow: end where they end at the start, then close everything",
    )
    grace_ms: Millis = Field(60_000, description="event time waited beyond the watermark where no mark decides, ms")
    future_ms_max: PositiveMillis = Field(DAY_MS, description="event time further ahead than this is clamped, ms")
    idle_ms: PositiveMillis = Field(10_000, description="a partition at its end this long no longer holds windows open")
    judge: Judge = Field(default_factory=Judge)
    alerts: Alerts = Field(default_factory=Alerts)
    limits: Limits = Field(default_factory=Limits)

    @property
    def plan(self) -> TopicPlan:
        """Names of all topics and groups of this trial."""
        return TopicPlan(self.name)

    @property
    def starts(self) -> Literal["production-group", "latest", "earliest"]:
        """Where the candidate begins, with the default resolved."""
        return self.start or ("production-group" if self.production.group else "latest")

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        groups = [self.production.group] if self.production.group else []
        self.plan.check_reads(self.inputs, self.production.outputs, groups)
        if self.bounded and not self.production.group:
            raise ValueError("bounded: needs production.group, else nobody knows when production is done")
        if self.production.commits == "after_output" and not self.production.group:
            raise ValueError("production.commits: after_output needs production.group")
        if self.start == "production-group" and not self.production.group:
            raise ValueError("start: production-group needs production.group")
        if self.identity.header and self.identity.kind != "coordinate":
            raise ValueError("identity.header goes with identity.kind: coordinate")
        if len(self.production.outputs) > 1:
            raise ValueError("production.outputs: one output topic for now; run one trial per output topic")
        if set(self.inputs) & set(self.production.outputs):
            raise ValueError("a topic is both an input and a production output")
        return self
