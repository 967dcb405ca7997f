"""Config of the candidate, the twin and the labels, and of the identity that pairs records."""

from decimal import Decimal
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from shadowstream.config.model import DAY_MS, HOUR_MS, Model, PositiveMillis, SinglePath, Tolerance, empty, section
from shadowstream.config.model_server import Http, Pickle

CANDIDATE_TIMEOUT_MS = 30_000
RECHECK_MS = 60_000
RECHECKS_FREE = 100
"""Second calls of a partition before the share of its pairs limits them: of few pairs a share would allow none."""
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
PORT_MAX = 65_535


def _has_port(address: str) -> str:
    if int(address.rpartition(":")[2]) > PORT_MAX:
        raise ValueError(f"{address} names no port; ports end at {PORT_MAX}")
    return address


HostPort = Annotated[str, Field(pattern=r"^[^\s:/]+:[1-9][0-9]{0,4}$"), AfterValidator(_has_port)]


class Exclusion(Model):
    """Inputs that the trial leaves out: those with a header or a field, or with this value of it."""

    header: str | None = Field(None, min_length=1, description="header that such an input carries")
    path: SinglePath | None = Field(None, min_length=1, description="dotted path of a field of such an input, not null")
    equals: str | None = Field(None, description="only where the header or field, as text, is this")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.header is None) == (self.path is None):
            raise ValueError("give either header or path")
        return self


class CandidateLimits(Model):
    """Bounds of the candidate's own process. An input on which it exceeds one has failed; the runner continues."""

    memory_bytes: int = Field(
        4_000_000_000, ge=64_000_000, description="most memory that the process may write to (RLIMIT_DATA), bytes"
    )
    cpu_ms: PositiveMillis | None = Field(
        None,
        description="most CPU time of one call, with all threads, ms (RLIMIT_CPU, whole seconds); default: four times "
        "candidate.timeout_ms",
    )
    open_files: int = Field(256, ge=16, description="most open files and pipes")
    file_bytes: int = Field(64_000_000, ge=0, description="largest file in its scratch folder, bytes")
    scratch_bytes: int = Field(
        1_000_000_000,
        ge=0,
        description="most bytes of all files in its scratch folder; measured twice a second while it answers, and "
        "with each answer",
    )
    processes: int = Field(
        0,
        ge=0,
        description="most further processes; 0 refuses each. A larger number is RLIMIT_NPROC, which counts all "
        "processes and threads of the user and does not bind root",
    )


Kind = Literal["call", "pickle", "http", "topic"]
_OF_A_PROCESS = frozenset(
    ("timeout_ms", "isolation", "limits", "sample", "exclude", "recheck", "recheck_ms", "recheck_share_max")
)
_OF_CODE = _OF_A_PROCESS | {"takes", "env", "network"}
_KEYS: dict[Kind, frozenset[str]] = {
    "call": _OF_CODE | {"state", "warm_up_records", "warm_up_ms"},
    "pickle": _OF_CODE,
    "http": _OF_A_PROCESS | {"version"},
    "topic": frozenset(("group", "commits", "version")),
}
"""Keys that go with some kinds of candidate only."""
_KINDS: tuple[Kind, ...] = get_args(Kind)
_OWN_KEYS = frozenset.union(*_KEYS.values())


class Candidate(Model):
    """The candidate: a function or a pickled model that the runner calls, a model server, or an external job."""

    call: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="entry point package.module:callable of the candidate",
    )
    pickle: Pickle | None = Field(
        None,
        description="instead of call: a pickled model that is called. Reading a pickle runs what it holds, so it is "
        "read in the candidate's process only, after its bounds are set",
    )
    http: Http | None = Field(
        None,
        description="instead of call: a model server that answers. It must have no effect on production or on people: "
        "every input is sent to it, some more than once",
    )
    takes: Literal["value", "batch"] = Field("value", description="argument of the callable: one value or a list")
    timeout_ms: PositiveMillis = Field(
        CANDIDATE_TIMEOUT_MS,
        description="longest time of one call, ms; one that takes longer ends the candidate's process (in-process: the "
        "runner's; http: nothing), and its input ends as timeout. http: of one request with all its tries. Below "
        "max.poll.interval.ms of kafka.client (http: a quarter of it); default: two thirds of that where it is shorter",
    )
    isolation: Literal["process", "in-process"] = Field(
        "process",
        description="process: the candidate runs in a process of its own, without the runner's environment, with "
        "bounds on what it takes, files that are read-only and no network; in-process: inside the runner's, which "
        "needs trusted: true. Every verdict shows which",
    )
    trusted: bool = Field(
        False,
        description="isolation: in-process: accept that the candidate has the runner's rights and secrets",
    )
    env: list[EnvironmentName] = Field(
        default_factory=empty,
        description="isolation: process: names of the environment variables that the candidate sees, besides PATH, "
        "language, time zone and Python's own",
    )
    network: list[HostPort] = Field(
        default_factory=empty,
        description="isolation: process: host:port that the candidate may connect to; none: it has no network. The "
        "kernel checks the port of TCP connections, not the host, and leaves UDP open then",
    )
    limits: CandidateLimits = section(description="isolation: process: bounds of the candidate's process")
    files: list[str] = Field(
        default_factory=empty,
        description="further files that define the candidate (a model file); part of the revision",
    )
    output_format: Literal["avro", "json", "bytes"] | None = Field(
        None,
        description="how outputs are written; default: avro where a schema <topic>-value is known, else json. bytes: "
        "the callable returns bytes, written as production writes (schemas.formats)",
    )
    partitioner: Literal["auto", "input", "murmur2", "crc32"] = Field(
        "auto",
        description="how production chooses an output's partition: as its input's, or by hash of the key; "
        "auto: found by sampling production's outputs. A value that the sample contradicts is refused",
    )
    state: Literal["none", "snapshot", "warm_up"] = Field(
        "none",
        description="memory of the candidate from one input to the next. snapshot, warm_up: call names a class, made "
        "once for each input partition; snapshot: its snapshot() is written with each commit and restored; warm_up: "
        "it begins anew at each assignment, and what it says first is warm-up",
    )
    warm_up_records: int | None = Field(
        None, ge=1, description="state: so many inputs of a partition without state are warm-up"
    )
    warm_up_ms: PositiveMillis | None = Field(
        None, description="state: so much event time of a partition without state is warm-up, ms"
    )
    sample: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="share of the inputs on which the candidate is called, by a hash of their key: all inputs of a key "
        "or none, the same ones for every candidate, and those of a smaller share are among those of a greater one. "
        "The others end as sampled_out and are no evidence",
    )
    exclude: list[Exclusion] = Field(
        default_factory=empty,
        max_length=20,
        description="inputs on which the candidate is not called; they end as filtered and are no evidence",
    )
    recheck: Literal["never", "on_mismatch"] = Field(
        "never",
        description="on_mismatch: where a pair differs, the candidate is called once more on the same input. A second "
        "answer that differs from the first by the rules of compare ends the pair as unstable, which is judged by a "
        "criterion of its own and is no mismatch",
    )
    recheck_ms: PositiveMillis = Field(
        RECHECK_MS,
        le=HOUR_MS,
        description="recheck: longest wait for the second answer, ms; then the pair is a mismatch",
    )
    recheck_share_max: float = Field(
        0.1,
        gt=0.0,
        le=1.0,
        description="recheck: largest share of the compared pairs on which the candidate is called again, beyond the "
        f"first {RECHECKS_FREE} of each partition; further pairs that differ are mismatches at once, and the verdict "
        "shows their number",
    )
    topic: str | None = Field(
        None, min_length=1, description="instead of call: topic that the candidate, a job of its own, writes; only read"
    )
    group: str | None = Field(None, description="topic: the job's consumer group, read only for its committed offsets")
    commits: Literal["after_output", "unknown"] = Field(
        "unknown", description="topic: as production.commits, for the job's group; makes missing exact"
    )
    version: str | None = Field(
        None,
        min_length=1,
        description="topic, http: names what runs there; evidence is bound to it, so change it with it",
    )

    @property
    def kind(self) -> Kind:
        """The kind of candidate: the key that names it."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def shown(self) -> str:
        """The candidate for people."""
        if self.http is not None:
            return self.http.shown
        if self.pickle is not None:
            return f"{self.pickle.format} {self.pickle.path}"
        return self.call or f"topic {self.topic}"

    @property
    def values_at_once(self) -> int:
        """The number of values that a call can answer in the time of one."""
        return 1 if self.http is None else self.http.batch * self.http.concurrency

    @property
    def rechecks(self) -> bool:
        """Whether the candidate is called again on inputs where it differs."""
        return self.recheck == "on_mismatch"

    @property
    def leaves_out(self) -> bool:
        """Whether the candidate is not called on some inputs."""
        return self.sample < 1.0 or bool(self.exclude)

    @model_validator(mode="after")
    def _single_kind(self) -> Self:
        if len([kind for kind in _KINDS if getattr(self, kind) is not None]) != 1:
            raise ValueError(
                "give either call (the runner calls it) or topic (an external job writes it), or http (a model server "
                "answers) or pickle (a pickled model); exactly one of them"
            )
        fields = type(self).model_fields
        given = {name for name in _OWN_KEYS & self.model_fields_set if getattr(self, name) != fields[name].default}
        for name in sorted(given - _KEYS[self.kind]):
            kinds = " or ".join(kind for kind in _KINDS if name in _KEYS[kind])
            raise ValueError(f"{name}: goes with {kinds}, and this candidate is given by {self.kind}")
        if self.topic is not None and not (self.group and self.version):
            raise ValueError("topic needs group (its commits say how far it is) and version (evidence is bound to it)")
        return self

    @model_validator(mode="after")
    def _runs_where_it_may(self) -> Self:
        if self.isolation == "in-process":
            if self.kind != "call":
                raise ValueError(f"isolation: in-process goes with call only; {self.kind} needs a process of its own")
            if own := {"env", "network", "limits"} & self.model_fields_set:
                raise ValueError(f"{', '.join(sorted(own))}: goes with isolation: process; in-process bounds nothing")
        if self.http is not None and self.http.version is None and self.version is None:
            raise ValueError(
                "http needs http.version, or version: a name of what the server answers with. Evidence is bound to it, "
                "so change it with the model"
            )
        if self.http is not None and self.output_format == "bytes":
            raise ValueError("output_format: bytes needs a candidate that returns bytes; a model server answers JSON")
        return self

    @model_validator(mode="after")
    def _says_how_state_is_restored(self) -> Self:
        lengths = [length for length in (self.warm_up_records, self.warm_up_ms) if length is not None]
        if self.state == "none" and lengths:
            raise ValueError("warm_up_records and warm_up_ms go with state: snapshot or warm_up")
        if len(lengths) > 1 or (self.state == "warm_up" and not lengths):
            raise ValueError("state: warm_up needs one of warm_up_records and warm_up_ms, state: snapshot at most one")
        if self.state != "none" and self.takes != "value":
            raise ValueError("state goes with takes: value; a batch that fails is called again, one value at a time")
        return self

    @model_validator(mode="after")
    def _can_be_asked_twice(self) -> Self:
        if not self.rechecks:
            fields = type(self).model_fields
            own = [name for name in ("recheck_ms", "recheck_share_max") if getattr(self, name) != fields[name].default]
            if own:
                raise ValueError(f"{', '.join(own)}: goes with recheck: on_mismatch")
            return self
        if self.state != "none":
            raise ValueError(
                f"recheck: on_mismatch needs state: none; under state: {self.state} a second answer may differ because "
                "the candidate has seen further inputs. Remove recheck, or judge the noise with a twin"
            )
        if self.isolation == "in-process":
            raise ValueError(
                "recheck: on_mismatch needs isolation: process; in-process, an input that ends the process would end "
                "the runner once more. Remove recheck or isolation"
            )
        return self


class Twin(Model):
    """A second run of production beside it (A/A), which shows how much production differs from itself."""

    topic: str = Field(min_length=1, description="topic that the twin writes, with as many partitions as production's")
    group: str | None = Field(None, description="the twin's consumer group, read only for its committed offsets")
    commits: Literal["after_output", "unknown"] = Field("unknown", description="as production.commits, for the twin")


class Labels(Model):
    """The truth, which arrives later: for the same records it shows whether production or the candidate was right."""

    topic: str = Field(min_length=1, description="topic of labels; only read")
    id: SinglePath = Field(
        "key",
        min_length=1,
        description="where a label names its pair: key (of the label's record), or the dotted path of a field "
        "($.key for one called key). It is the key of production's output, or "
        "where identity.kind is id the correlation id",
    )
    path: SinglePath = Field(min_length=1, description="dotted path of the answer in the outputs of both sides")
    label_path: SinglePath | None = Field(
        None, min_length=1, description="dotted path of the truth in a label; default: as path"
    )
    atol: Tolerance = Field(
        Decimal(0),
        description="numbers are right within this of the label, in the field's unit; a number or its decimal text",
    )
    horizon_ms: PositiveMillis = Field(
        7 * DAY_MS, description="event time waited for a label; then the pair counts as unlabelled, ms"
    )
    quality: list[Literal["auc", "ece"]] = Field(
        default_factory=empty,
        description="shown of both sides, and never a gate: auc, the area under the ROC curve; ece, the expected "
        "calibration error of probabilities, with ten bins. Answers are numbers, and labels true or false",
    )
    store_dir: str | None = Field(
        None,
        min_length=1,
        description="folder of the disk store of what waits; default: in the machine's temporary folder. It may be "
        "lost at any time: it is rebuilt from labels-state. Files that another user owns, may write to or has linked "
        "are refused",
    )


class Identity(Model):
    """The property that makes a production output and a candidate output a pair."""

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
    path: SinglePath | None = Field(None, min_length=1, description="id: dotted path of the field that holds the id")
    equal_ids: Literal["meaning", "bytes"] = Field(
        "meaning",
        description="key, id: what pairs records that would be left alone. meaning: ids in other bytes too, if they "
        "are one body under two schema ids, or one JSON object in other spacing or order; bytes: equal bytes only",
    )
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
    def _says_where(self) -> Self:
        if self.header and self.kind not in ("coordinate", "id"):
            raise ValueError("header goes with kind: coordinate or id")
        if self.path and self.kind != "id":
            raise ValueError("path goes with kind: id")
        if self.kind == "id" and (self.header is None) == (self.path is None):
            raise ValueError("kind: id needs either header or path")
        if self.outputs == "many" and self.kind == "occurrence":
            raise ValueError("outputs: many needs an id of the input; kind: occurrence has none")
        return self
