"""The config of one trial: frozen, closed models; every field says its unit.

Unknown keys are errors. Everything has a default except `name`, `inputs`, `production.outputs` and
`candidate.call` (or `candidate.topic`). Reading the YAML file (variables, line numbers) is `shadowstream.configfile`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from shadowstream.config import parts
from shadowstream.config.cluster import OWNED_PROPERTIES, Format, Kafka, Schemas
from shadowstream.config.comparing import Check, Compare, Dimension, Expected, Latency, Redact, Rule
from shadowstream.config.judging import Criterion, Drift, Judge
from shadowstream.config.limits import Alerts, Limits
from shadowstream.config.model import DAY_MS, HOUR_MS, Millis, Model, PositiveMillis
from shadowstream.config.sides import Candidate, Failure, Identity, Labels, Production, Twin
from shadowstream.topics import TopicPlan

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "OWNED_PROPERTIES",
    "Alerts",
    "Candidate",
    "Check",
    "Compare",
    "Config",
    "Criterion",
    "Dimension",
    "Drift",
    "Expected",
    "Failure",
    "Format",
    "Identity",
    "Judge",
    "Kafka",
    "Labels",
    "Latency",
    "Limits",
    "Model",
    "Production",
    "Redact",
    "Rule",
    "Schemas",
    "Twin",
]


class Config(Model):
    """One trial: one candidate beside one production."""

    name: str = Field(description="name of the trial; every topic and group begins with shadow.<name>.")
    release: str | None = Field(
        None,
        min_length=1,
        description="what the candidate is an attempt at; each further revision of one release is judged more strictly",
    )
    kafka: Kafka = Field(default_factory=Kafka)
    schemas: Schemas = Field(default_factory=Schemas)
    inputs: list[str] = Field(min_length=1, description="topics that production and the candidate read")
    production: Production
    candidate: Candidate
    twin: Twin | None = Field(None, description="a second run of production, for the noise floor")
    labels: Labels | None = Field(None, description="late labels, by which both sides are scored")
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
    future_ms_max: PositiveMillis = Field(
        HOUR_MS, description="a record dated further ahead of the clock than this moves no watermark, ms"
    )
    idle_ms: PositiveMillis = Field(
        10_000, description="a partition at its end this long takes the time of those that go on"
    )
    correctable_ms: Millis = Field(DAY_MS, description="event time for which a missing or extra stays correctable, ms")
    judge: Judge = Field(default_factory=Judge)
    alerts: Alerts = Field(default_factory=Alerts)
    limits: Limits = Field(default_factory=Limits)
    delivery: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once",
        description="at_least_once for brokers without transactions: crashes repeat records, counts stay exact",
    )

    @property
    def plan(self) -> TopicPlan:
        """Names of all topics and groups of this trial."""
        return TopicPlan(self.name)

    @property
    def alerts_problem(self) -> str | None:
        """Why the alerts role cannot run under this config, and what to do; None where it can."""
        if not self.kafka.security:
            return None
        return (
            f"kafka.client: {', '.join(self.kafka.security)}: the alerts role cannot use TLS or SASL yet, so no alert "
            "would be delivered; run `alerts run` with a config of its own where the cluster has a plaintext listener, "
            "or remove alerts.webhook and watch the topic drift with a client of your own"
        )

    @property
    def starts(self) -> Literal["production-group", "latest", "earliest"]:
        """Where the candidate begins, with the default resolved."""
        return self.start or ("production-group" if self.production.group else "latest")

    @property
    def candidate_timeout_ms(self) -> int:
        """Longest time of one call of the candidate, with the default resolved."""
        if "timeout_ms" in self.candidate.model_fields_set:
            return self.candidate.timeout_ms
        return min(self.candidate.timeout_ms, self.kafka.poll_interval_ms * 2 // 3)

    @model_validator(mode="after")
    def _calls_between_polls(self) -> Config:
        """A call that outlasts the poll interval takes the runner out of its group before anybody can name it."""
        if self.candidate_timeout_ms >= self.kafka.poll_interval_ms:
            raise ValueError(
                f"candidate.timeout_ms: {self.candidate.timeout_ms} must be below max.poll.interval.ms of kafka.client "
                f"({self.kafka.poll_interval_ms}): the group would take the runner's partitions away first"
            )
        return self

    @model_validator(mode="after")
    def _counts_what_it_judges(self) -> Config:
        """A criterion of which nothing is ever counted would wait for ever."""
        checked = {(one.path, kind) for one in self.compare.checks for kind in one.kinds}
        declared = {one.name for one in self.compare.expected}
        declared |= {"added_fields"} if self.compare.added_fields == "expected" else set()
        for one in self.judge.criteria:
            needs = {
                "twin": (self.twin, "twin, a second run of production"),
                "labels": (self.labels, "labels, a topic of them"),
                "slower": (self.compare.latency, "compare.latency"),
                "over": (self.compare.latency, "compare.latency"),
                "check": (
                    (one.path, one.check) in checked,
                    f"that check of {one.path} in compare.checks",
                ),
                "expected": (one.name in declared, f"a declared change {one.name} in compare.expected"),
            }
            if reason := parts.unknown(one, self.compare, self.production.outputs):
                raise ValueError(f"judge.criteria: {one.id} {reason}")
            there, what = needs.get(one.rate, (True, ""))
            if not there:
                raise ValueError(f"judge.criteria: {one.id} needs {what}; nothing would be counted for it")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        others = [one for one in (self.production, self.candidate, self.twin) if one is not None]
        further = (self.candidate.topic, self.twin and self.twin.topic, self.labels and self.labels.topic)
        written = [topic for topic in further if topic]
        groups = [one.group for one in others if one.group]
        self.plan.check_reads(self.inputs, [*self.production.outputs, *written], groups)
        if self.delivery == "at_least_once" and self.labels:
            raise ValueError("labels needs transactions: delivery: exactly_once")
        if self.delivery == "at_least_once" and self.candidate.state == "snapshot":
            raise ValueError("candidate.state: snapshot needs transactions: delivery: exactly_once")
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
        paired_late = self.identity.kind == "occurrence" or self.identity.outputs == "many"
        if self.limits.overflow == "spill" and paired_late:
            raise ValueError(
                "limits.overflow: spill goes with identity.kind key, coordinate or id, and identity.outputs: one"
            )
        cost = [criterion for criterion in self.judge.criteria if criterion.rate == "cost"]
        if cost and self.candidate.topic:
            raise ValueError("judge.criteria: cost needs candidate.call; nobody measures a job of its own for us")
        if any(criterion.unit == "record" for criterion in cost) and self.candidate.takes == "batch":
            raise ValueError(
                "judge.criteria: cost of a candidate that takes batches needs unit: block; all inputs of a batch share "
                "one measurement, so records would prove far more than was seen"
            )
        reads = [*self.inputs, *self.production.outputs]
        reads += [one.topic for one in (self.candidate, self.twin, self.labels) if one and one.topic]
        if len(set(reads)) < len(reads):
            raise ValueError("a topic stands in more than one place of inputs, outputs, candidate, twin and labels")
        unread = sorted(self.schemas.formats.keys() - set(reads))
        if unread:
            raise ValueError(f"schemas.formats: {', '.join(unread)} is no topic that this trial reads")
        compared = {*self.production.outputs, self.candidate.topic, self.twin and self.twin.topic}
        if self.identity.path and compared & self.schemas.formats.keys():
            raise ValueError("identity.path needs outputs that say themselves how they are written: no schemas.formats")
        return self
