"""The config of one trial: frozen, closed models; every field says its unit.

Unknown keys are errors. Everything has a default except `name`, `inputs`, `production.outputs` and
`candidate.call` (or `candidate.topic`). Reading the YAML file (variables, line numbers) is `shadowstream.configfile`.
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
    """The code under trial: a function that the runner calls, or somebody's own job that writes a topic of its own."""

    call: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="entry point package.module:callable of the candidate",
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
    partitioner: Literal["auto", "input", "murmur2", "crc32"] = Field(
        "auto",
        description="how production chooses an output's partition: as its input's, or by hash of the key; "
        "auto: found by sampling production's outputs. A value that the sample contradicts is refused",
    )
    topic: str | None = Field(
        None, min_length=1, description="instead of call: topic that the candidate, a job of its own, writes; only read"
    )
    group: str | None = Field(None, description="topic: the job's consumer group, read only for its committed offsets")
    commits: Literal["after_output", "unknown"] = Field(
        "unknown", description="topic: as production.commits, for the job's group; makes missing exact"
    )
    version: str | None = Field(
        None, min_length=1, description="topic: names what runs there; evidence is bound to it, so change it with it"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Candidate:
        if (self.call is None) == (self.topic is None):
            raise ValueError("give either call (the runner calls it) or topic (a job of its own writes it)")
        if self.topic is None and (self.group or self.version or self.commits != "unknown"):
            raise ValueError("group, commits and version go with topic")
        if self.topic is not None and not (self.group and self.version):
            raise ValueError("topic needs group (its commits say how far it is) and version (evidence is bound to it)")
        return self


class Twin(Model):
    """A second run of production beside it (A/A): how much production differs from itself."""

    topic: str = Field(min_length=1, description="topic that the twin writes, with as many partitions as production's")
    group: str | None = Field(None, description="the twin's consumer group, read only for its committed offsets")
    commits: Literal["after_output", "unknown"] = Field("unknown", description="as production.commits, for the twin")


class Identity(Model):
    """What makes a production output and a candidate output a pair."""

    kind: Literal["key", "coordinate", "id", "occurrence"] = Field(
        "key",
        description="key: declared unique; coordinate: by input offset; id: a correlation id in a header or field; "
        "occurrence: a key that comes again, in event-time order",
    )
    header: str | None = Field(
        None,
        description="coordinate: production's header naming the input as topic/partition/offset or .../k; "
        "default: the packed header. id: the header that holds the id on both sides",
    )
    path: str | None = Field(None, min_length=1, description="id: dotted path of the field that holds the id")
    outputs: Literal["one", "many"] = Field(
        "one", description="many: all outputs of one input are compared as a multiset, once both sides are done with it"
    )
    tolerance_ms: PositiveMillis = Field(
        10_000, description="occurrence: partners' event times differ by at most this, ms"
    )
    dedupe_span: int = Field(
        200_000, ge=0, description="the same id again within this many offsets of one partition is a duplicate"
    )

    @model_validator(mode="after")
    def _says_where(self) -> Identity:
        if self.header and self.kind not in ("coordinate", "id"):
            raise ValueError("header goes with kind: coordinate or id")
        if self.path and self.kind != "id":
            raise ValueError("path goes with kind: id")
        if self.kind == "id" and (self.header is None) == (self.path is None):
            raise ValueError("kind: id needs either header or path")
        if self.outputs == "many" and self.kind == "occurrence":
            raise ValueError("outputs: many needs an id of the input; kind: occurrence has none")
        return self


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
    pending_bytes_max: int = Field(256_000_000, ge=1, description="most bytes of unpaired records per joiner process")
    corrections_max: int = Field(
        100_000, ge=0, description="most outcomes missing and extra per output partition that stay correctable"
    )
    transaction_timeout_ms: PositiveMillis = Field(10_000, description="transaction.timeout.ms of our producers")


class Config(Model):
    """One trial: one candidate beside one production."""

    name: str = Field(description="name of the trial; every topic and group begins with shadow.<name>.")
    kafka: Kafka = Field(default_factory=Kafka)
    schemas: Schemas = Field(default_factory=Schemas)
    inputs: list[str] = Field(min_length=1, description="topics that production and the candidate read")
    production: Production
    candidate: Candidate
    twin: Twin | None = Field(None, description="a second run of production, for the noise floor")
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
    correctable_ms: Millis = Field(DAY_MS, description="event time for which a missing or extra stays correctable, ms")
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
        others = [one for one in (self.production, self.candidate, self.twin) if one is not None]
        written = [topic for topic in (self.candidate.topic, self.twin and self.twin.topic) if topic]
        groups = [one.group for one in others if one.group]
        self.plan.check_reads(self.inputs, [*self.production.outputs, *written], groups)
        if self.bounded and not self.production.group:
            raise ValueError("bounded: needs production.group, else nobody knows when production is done")
        if self.production.commits == "after_output" and not self.production.group:
            raise ValueError("production.commits: after_output needs production.group")
        if self.start == "production-group" and not self.production.group:
            raise ValueError("start: production-group needs production.group")
        several = len(self.production.outputs) > 1
        if several and self.candidate.topic:
            raise ValueError("candidate.topic goes with one production output; run one trial per output topic")
        if self.candidate.topic and self.bounded:
            raise ValueError("bounded: needs candidate.call; nobody says when a job of its own has come to its end")
        if self.twin:
            if several:
                raise ValueError("twin goes with one production output; run one trial per output topic")
            if self.identity.kind == "occurrence" or self.identity.outputs == "many":
                raise ValueError("twin goes with identity.kind key, coordinate or id, and identity.outputs: one")
            if self.bounded and not self.twin.group:
                raise ValueError("bounded: needs twin.group, else nobody knows when the twin is done")
        reads = [*self.inputs, *self.production.outputs]
        reads += [one.topic for one in (self.candidate, self.twin) if one and one.topic]
        if len(set(reads)) < len(reads):
            raise ValueError("a topic stands in more than one place of inputs, outputs, candidate and twin")
        return self
