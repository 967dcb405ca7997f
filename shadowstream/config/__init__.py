"""Config of one trial: frozen, closed models; every field names its unit.

Unknown keys are errors. All fields have defaults except `name`, `inputs`, `production.outputs` and `candidate.call`
(or `candidate.topic`). `shadowstream.configfile` reads the YAML file (variables, line numbers).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shadowstream.config.alerting import Alerts, Channel
from shadowstream.config.client_properties import OWNED_PROPERTIES, alerts_obstacles
from shadowstream.config.cluster import PRINCIPALS, Format, Kafka, Principal, Schemas
from shadowstream.config.comparing import Check, Compare, Dimension, Expected, Latency, Rule
from shadowstream.config.criteria_checks import cost_problem, recheck_problem, uncounted
from shadowstream.config.deciding import Judge
from shadowstream.config.distributions import Distribution, DistributionAlarms
from shadowstream.config.drift import Drift
from shadowstream.config.early_end import check_early_end
from shadowstream.config.judging import Criterion
from shadowstream.config.limits import Isolation, Limits
from shadowstream.config.model import DAY_MS, HOUR_MS, AwareTime, Millis, Model, PositiveMillis, section
from shadowstream.config.model_server import HTTP_CALLS
from shadowstream.config.privacy import Examples, Redact
from shadowstream.config.production import Failure, Production, check_answer, with_answer_as_output
from shadowstream.config.record_parts import check_record_parts
from shadowstream.config.retention import RECORD_BYTES_MIN, Retention, check_kept
from shadowstream.config.sides import Candidate, CandidateLimits, Identity, Labels, Twin
from shadowstream.errors import ConfigError
from shadowstream.topics import UNBOUNDED, Kept, TopicPlan

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "OWNED_PROPERTIES",
    "PRINCIPALS",
    "Alerts",
    "Candidate",
    "CandidateLimits",
    "Channel",
    "Check",
    "Compare",
    "Config",
    "Criterion",
    "Dimension",
    "Distribution",
    "DistributionAlarms",
    "Drift",
    "Examples",
    "Expected",
    "Failure",
    "Format",
    "Identity",
    "Isolation",
    "Judge",
    "Kafka",
    "Labels",
    "Latency",
    "Limits",
    "Model",
    "Principal",
    "Production",
    "Redact",
    "Retention",
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
        description="name of the release that the candidate is an attempt at; each further revision of one release is "
        "judged more strictly",
    )
    candidates: int = Field(
        1,
        ge=1,
        le=1_000,
        description="number of candidates of the release, each in a trial of its own that may run beside the others; "
        "each is judged at alpha divided by this number",
    )
    kafka: Kafka = section()
    schemas: Schemas = section()
    inputs: list[str] = Field(min_length=1, description="topics that production and the candidate read")
    production: Production
    candidate: Candidate
    twin: Twin | None = Field(None, description="a second run of production, for the noise floor")
    labels: Labels | None = Field(None, description="late labels, by which both sides are scored")
    identity: Identity = section()
    compare: Compare = section()
    start: Literal["production-group", "latest", "earliest"] | None = Field(
        None, description="where the candidate begins; default: production-group where the group is known, else latest"
    )
    bounded: bool = Field(
        False,
        description="for inputs that do not grow: end where they end at the start, then close everything",
    )
    until: Annotated[int, Field(ge=1)] | Literal["decision"] | AwareTime | None = Field(
        None,
        union_mode="left_to_right",
        description="where the trial ends by itself, as a bounded one does: after so many inputs; at the first input "
        "of this time (2026-12-24T00:00:00Z) once it has come; or with the first promote or reject (decision). What "
        "production answers beyond it ends as sampled_out and is no evidence",
    )
    watch_over: bool = Field(
        False,
        description="the trial watches a promoted version (`shadowstream watch-over`): production is the new version, "
        "the candidate the old one, and a reject means: roll back",
    )
    grace_ms: Millis = Field(60_000, description="event time waited beyond the watermark where no mark decides, ms")
    future_ms_max: PositiveMillis = Field(
        HOUR_MS, description="a record dated further ahead of the clock than this moves no watermark, ms"
    )
    idle_ms: PositiveMillis = Field(
        10_000, description="a partition at its end this long takes the time of those that go on"
    )
    correctable_ms: Millis = Field(DAY_MS, description="event time for which a missing or extra stays correctable, ms")
    judge: Judge = section()
    alerts: Alerts = section()
    limits: Limits = section()
    retention: Retention = section()
    isolation: Isolation = section()
    delivery: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once",
        description="at_least_once for brokers without transactions: crashes repeat records, counts stay exact",
    )

    @model_validator(mode="before")
    @classmethod
    def _answer_as_output(cls, data: Any) -> Any:
        return with_answer_as_output(data)

    @property
    def plan(self) -> TopicPlan:
        return TopicPlan(self.name)

    @property
    def alerts_problem(self) -> str | None:
        """The reason why the alerts role cannot run under this config, and the remedy; None if it can run."""
        obstacles = alerts_obstacles(self.kafka.client_of("alerts"))
        if not obstacles:
            return None
        return (
            f"kafka.client: the alerts role cannot use {'; '.join(obstacles)}. Set it so for this role alone under "
            "kafka.roles.alerts.client, or remove its channels from alerts; until then no alert is delivered"
        )

    @property
    def assigning_key(self) -> str | None:
        """The key for which the joiner assigns several records, or elements of lists, to each other at once, which
        takes SciPy (`compare.lists.matching`); None if it never does."""
        if self.compare.any_order:
            return "compare.rules, lists: unordered or set,"
        if self.identity.outputs == "many":
            return "identity.outputs: many"
        return "identity.kind: occurrence" if self.identity.kind == "occurrence" else None

    def acting_as(self, principal: Principal) -> Self:
        """Return the config as one role or command uses it: with its own credentials, and without the others'.

        Raises `ConfigError` if this process has not what the role needs: a password, or the key of commands.
        """
        changed: dict[str, object] = {"kafka": self.kafka.of(principal)}
        http = self.candidate.http
        if http is not None and principal != "runner":
            changed["candidate"] = self.candidate.model_copy(update={"http": http.model_copy(update={"headers": {}})})
        if principal in ("runner", "joiner", "labels"):
            changed["judge"] = self.judge.model_copy(update={"commands_key": None, "signing_keys": []})
        elif principal in ("judge", "alerts"):  # they check commands from their start on
            changed["judge"] = self.judge.model_copy(update={"commands_key": self.commands_key})
        if principal == "judge" and self.judge.signing_keys[:1] == [""]:
            raise ConfigError(
                "judge.signing_keys: the first is empty here, so that no verdict can be signed; set its variable for "
                "the judge, or remove the key"
            )
        return self.model_copy(update=changed)

    @property
    def commands_key(self) -> str | None:
        """The key of people's commands. Raises `ConfigError` if the config has one and this process has not."""
        if self.judge.commands_key == "":
            raise ConfigError(
                "judge.commands_key: is empty here, so that no command can be signed or checked; set its variable for "
                "this process, or remove the key"
            )
        return self.judge.commands_key

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The keys of verdicts that this process has; the judge signs with the first."""
        return tuple(filter(None, self.judge.signing_keys))

    @property
    def starts(self) -> Literal["production-group", "latest", "earliest"]:
        """The start of the candidate, with the default resolved."""
        return self.start or ("production-group" if self.production.group else "latest")

    @property
    def ends_itself(self) -> bool:
        """Whether the trial has an end, at which its roles end too."""
        return self.bounded or self.until is not None

    @property
    def shown_quality(self) -> list[str]:
        """Measures of labelled pairs that a verdict shows: those of `labels.quality`, and auc where it is judged."""
        judged = [one.loss for one in self.judge.criteria if one.loss == "auc"]
        return sorted({*judged, *(self.labels.quality if self.labels else ())})

    @property
    def hides_answers(self) -> bool:
        """Whether texts in answers and labels are kept as hashes: nothing that judges them reads a text."""
        judged = self.shown_quality or any(one.is_labelled for one in self.judge.criteria if one.rate == "loss")
        return not self.compare.shows_texts and not judged

    @property
    def candidate_timeout_ms(self) -> int:
        """Maximum time of one call of the candidate, with the default resolved."""
        if "timeout_ms" in self.candidate.model_fields_set:
            return self.candidate.timeout_ms
        return min(self.candidate.timeout_ms, self.kafka.poll_interval_ms * 2 // (3 * self._calls_of_a_failure))

    @property
    def _calls_of_a_failure(self) -> int:
        """How many times `candidate_timeout_ms` pass until a failure is known: a model server is asked again."""
        return HTTP_CALLS if self.candidate.http is not None else 1

    @property
    def call_limit_ms(self) -> int:
        """Time after which the runner ends the candidate's process."""
        return self._calls_of_a_failure * self.candidate_timeout_ms

    @model_validator(mode="after")
    def _calls_between_polls(self) -> Self:
        """A call longer than the poll interval removes the runner from its group before its input can be reported."""
        tries = self._calls_of_a_failure
        if tries * self.candidate_timeout_ms >= self.kafka.poll_interval_ms:
            part = "" if tries == 1 else f"a {('half', 'third', 'quarter')[tries - 2]} of "
            raise ValueError(
                f"candidate.timeout_ms: {self.candidate.timeout_ms} must be below {part}max.poll.interval.ms of "
                f"kafka.client ({self.kafka.poll_interval_ms}): the group would take the runner's partitions away first"
            )
        return self

    @model_validator(mode="after")
    def _counts_what_it_judges(self) -> Self:
        """A criterion for which nothing is counted would wait forever."""
        if problem := uncounted(self.judge, self.compare, self.production.outputs, bool(self.twin), bool(self.labels)):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _knows_what_is_left_out(self) -> Self:
        if self.candidate.leaves_out and self.identity.kind == "id":
            raise ValueError(
                "candidate.sample and candidate.exclude need identity.kind coordinate, key or occurrence: by a "
                "correlation id it is not known which record of production belongs to an input that was left out"
            )
        if self.candidate.exclude and self.identity.kind == "occurrence":
            raise ValueError(
                "candidate.exclude needs identity.kind coordinate or key: where a key comes again, a record of "
                "production could be that of another input with the same key"
            )
        return self

    @property
    def kept_ms_min(self) -> int:
        """The event time of the trial's records that corrections and open windows may need, ms."""
        return self.correctable_ms + self.grace_ms + self.judge.window_ms

    @property
    def kept_bytes_min(self) -> int:
        """The bytes of a partition that recovery needs at the least: what may be pending, and the dedupe span."""
        return self.limits.pending_bytes_max + self.identity.dedupe_span * RECORD_BYTES_MIN

    @property
    def kept(self) -> Kept:
        """The bounds of the trial's topics, with the defaults resolved."""

        def bound(name: str, needed: int) -> int:
            value: int | None = getattr(self.retention, name)
            if value is None:
                return UNBOUNDED
            return value if name in self.retention.model_fields_set else max(value, needed)

        kept_ms = bound("ms", self.kept_ms_min), bound("event_ms", self.kept_ms_min)
        return Kept(*kept_ms, bound("bytes", self.kept_bytes_min))

    @model_validator(mode="after")
    def _keeps_what_it_needs(self) -> Self:
        horizon_ms = None if self.labels is None else self.labels.horizon_ms
        check_kept(self.kept, self.kept_ms_min, horizon_ms, self.kept_bytes_min)
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        others = [side for side in (self.production, self.candidate, self.twin) if side is not None]
        further = (self.candidate.topic, self.twin and self.twin.topic, self.labels and self.labels.topic)
        written = [topic for topic in further if topic]
        groups = [side.group for side in others if side.group]
        self.plan.check_reads(self.inputs, [*self.production.outputs, *written], groups)
        if self.labels and self.compare.redacts(self.labels.path):
            raise ValueError(
                f"labels.path: {self.labels.path} is redacted (compare.redact.paths), and answers are kept until their "
                "labels come; remove it from one of the two"
            )
        if self.delivery == "at_least_once" and self.labels:
            raise ValueError("labels needs transactions: delivery: exactly_once")
        if self.delivery == "at_least_once" and self.candidate.state == "snapshot":
            raise ValueError("candidate.state: snapshot needs transactions: delivery: exactly_once")
        if self.candidates > 1 and self.release is None:
            raise ValueError(
                "candidates: needs release, the name that the trials of these candidates have in common; one candidate "
                "needs neither"
            )
        if self.judge.group_sequential and not self.bounded:
            raise ValueError(
                "judge.group_sequential: needs bounded: true, because its looks lead up to a known end; without it "
                "leave the key out: the default rule holds for any end"
            )
        if self.production.answer is not None:
            self._check_answer()
        check_record_parts(self.compare, self.judge, self.identity, self.candidate, self.labels, self.limits)
        if self.bounded and not self.production.has_marks:
            raise ValueError("bounded: needs production.group; without it the end of production is unknown")
        if self.production.commits == "after_output" and not self.production.group:
            raise ValueError("production.commits: after_output needs production.group")
        if self.until is not None:
            check_early_end(self.bounded, self.candidate, self.twin, self.labels, self.production)
        if self.start == "production-group" and not self.production.group:
            raise ValueError("start: production-group needs production.group")
        several = len(self.production.outputs) > 1
        if several and self.candidate.topic:
            raise ValueError("candidate.topic goes with one production output; run one trial per output topic")
        if self.candidate.topic and self.bounded:
            raise ValueError("bounded: needs candidate.call; the end of an external candidate is unknown")
        if self.twin:
            if several:
                raise ValueError("twin goes with one production output; run one trial per output topic")
            if self.identity.kind == "occurrence" or self.identity.outputs == "many":
                raise ValueError("twin goes with identity.kind key, coordinate or id, and identity.outputs: one")
            if self.bounded and not self.twin.group:
                raise ValueError("bounded: needs twin.group; without it the end of the twin is unknown")
        paired_late = self.identity.kind == "occurrence" or self.identity.outputs == "many"
        if self.limits.overflow == "spill" and paired_late:
            raise ValueError(
                "limits.overflow: spill goes with identity.kind key, coordinate or id, and identity.outputs: one"
            )
        if problem := cost_problem(self.judge.criteria, self.candidate):
            raise ValueError(f"judge.criteria: {problem}")
        if problem := recheck_problem(self.judge.criteria, self.candidate, self.identity, self.compare):
            raise ValueError(problem)
        reads = [*self.inputs, *(self.production.outputs if self.production.answer is None else ())]
        reads += [side.topic for side in (self.candidate, self.twin, self.labels) if side and side.topic]
        if len(set(reads)) < len(reads):
            raise ValueError("a topic is named more than once among inputs, outputs, candidate, twin and labels")
        unread = sorted(self.schemas.formats.keys() - set(reads))
        if unread:
            raise ValueError(f"schemas.formats: {', '.join(unread)} is no topic that this trial reads")
        compared = {*self.production.outputs, self.candidate.topic, self.twin and self.twin.topic}
        if self.identity.path and compared & self.schemas.formats.keys():
            raise ValueError("identity.path needs self-describing outputs; remove their topics from schemas.formats")
        return self

    def _check_answer(self) -> None:
        check_answer(self.production, self.inputs, self.identity, self.candidate, self.compare, self.schemas)
        if self.twin is not None:
            raise ValueError("twin: its records could not be paired with production.answer; remove one of them")
        if self.start == "production-group":
            raise ValueError(
                "start: production-group needs a group, and production.answer has none; use latest or earliest"
            )
