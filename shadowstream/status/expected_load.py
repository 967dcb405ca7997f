"""Expected load of a trial before it begins, from samples of the topics that it reads. Pure.

Bytes are those of records, not compressed: brokers that compress hold less. The trial's small topics grow with its
commits and partitions, not with the records. The constants were measured on trials of the tests, with the schemas of
this release.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shadowstream.config import Config
from shadowstream.disk import topic_bytes
from shadowstream.judge.verdict.outlook import outlook_of
from shadowstream.judge.windows.expected_tasks import expected_tasks
from shadowstream.topics import TopicSpec

OUTPUT_OVERHEAD = 60
"""Bytes that a candidate's output has beside its key and value: the packed header, and the record's own frame."""
MARK_BYTES = 240
"""Bytes of a done or range mark; a commit writes two for each input partition that had records."""
COMMIT_BYTES = {"stats": 730, "state": 1_120}
"""Bytes that a commit of the joiner writes for each task."""
JUDGE_BYTES = {"verdict": 1_400, "audit": 1_400, "judge-state": 3_100}
"""Bytes that the judge writes as its evidence grows, about each `JUDGE_EVERY_S`."""
JUDGE_EVERY_S = 5
ROW_OVERHEAD = 200
"""Bytes of a row of diff beside the two values that it may show."""
ROLE_BYTES = {"runner": 160_000_000, "joiner": 110_000_000, "judge": 100_000_000}
"""Memory of a role that has next to nothing to do, the candidate's process without its model included."""
DAY_S, HOUR_S = 86_400, 3_600


@dataclass(frozen=True, slots=True)
class Source:
    """A sample of a topic that the trial reads. `side`: input, production, candidate or twin.

    `partitions`: of the topic. `waiting`: records that are there already and that the trial will read.
    """

    topic: str
    side: str
    partitions: int
    records_per_s: float
    record_bytes: float
    waiting: int = 0

    @property
    def bytes_per_s(self) -> float:
        return self.records_per_s * self.record_bytes


@dataclass(frozen=True, slots=True)
class Load:
    """Bytes and records a second. `written`: bytes a second by kind of topic, for one copy."""

    read_records: float
    read_bytes: float
    written: Mapping[str, float]

    @property
    def written_bytes(self) -> float:
        return sum(self.written.values())


def kept_bytes(load: Load, specs: Iterable[TopicSpec], prefix: str, seconds: float) -> dict[str, int]:
    """Return the bytes that one copy of each of the trial's topics takes after so much time, by kind of topic.

    Retention bounds them. `prefix`: that of the trial's topics.
    """
    by_kind = {spec.name.removeprefix(prefix): spec for spec in specs}
    written = {kind: of * seconds for kind, of in load.written.items()}
    return {kind: round(topic_bytes(by_kind[kind], of) if kind in by_kind else of) for kind, of in written.items()}


def expected_load(config: Config, sources: Sequence[Source], differing: float) -> Load:
    """Return the load while the trial keeps up. `differing`: share of the pairs that get a row of diff.

    Ceilings of `limits` bound what one process reads. A candidate is expected to answer as production does.
    """
    inputs, outputs = (_of(sources, side) for side in ("input", "production"))
    own = config.candidate.topic is None
    share = config.candidate.sample if own else 1.0
    answers = 0.0 if own else _bytes(_of(sources, "candidate"))
    per_s = sum(one.records_per_s for one in outputs) * share
    written: dict[str, float] = {}
    if own:
        written |= {
            f"out.{one.topic}": share * one.records_per_s * (one.record_bytes + OUTPUT_OVERHEAD) for one in outputs
        }
        answers = sum(written.values())
    commits = 1_000 / config.limits.commit_ms
    places, tasks = (sum(one.partitions for one in some) for some in (inputs, outputs))
    written["progress"] = MARK_BYTES * (places * 2 * min(commits, _per_place(inputs)) + places)
    written |= {kind: size * tasks * min(commits, _per_place(outputs)) for kind, size in COMMIT_BYTES.items()}
    written |= {kind: size / JUDGE_EVERY_S for kind, size in JUDGE_BYTES.items()}
    mean = _bytes(outputs) / max(1e-9, sum(one.records_per_s for one in outputs))
    rows = per_s * (differing + (1 - differing) * config.compare.match_sample)
    written["diff"] = rows * (ROW_OVERHEAD + 2 * mean)
    if config.compare.diff_json:
        written["diff.json"] = 2 * written["diff"]
    read = _bytes(inputs) + _bytes(outputs) + answers + _bytes(_of(sources, "twin"))
    read += sum(written[kind] for kind in ("progress", "stats"))
    return Load(sum(one.records_per_s for one in sources) + (per_s if own else 0), read, written)


def _of(sources: Iterable[Source], side: str) -> list[Source]:
    return [one for one in sources if one.side == side]


def _bytes(sources: Iterable[Source]) -> float:
    return sum(one.bytes_per_s for one in sources)


def _per_place(sources: Sequence[Source]) -> float:
    """Return the records a second of one partition: fewer commits than these write anything for it."""
    return sum(one.records_per_s for one in sources) / max(1, sum(one.partitions for one in sources))


@dataclass(frozen=True, slots=True)
class Wait:
    """Hours until a criterion can be shown if nothing is bad; None if the sample does not tell how often units come."""

    criterion: str
    needed: int | None
    units: str
    hours: float | None


def waits(config: Config, sources: Sequence[Source]) -> list[Wait]:
    """Return the wait of each criterion, from the verdict that a judge gives on nothing."""
    # A local import, because it loads NumPy and SciPy.
    from shadowstream.judge.step import JudgeStep

    tasks = expected_tasks(config, {one.topic: one.partitions for one in sources})
    verdict = JudgeStep(config, "", tasks).evaluate(0, force=True).verdict
    share = config.candidate.sample
    per_hour = {
        "inputs": HOUR_S * share * sum(one.records_per_s for one in _of(sources, "input")),
        "blocks": HOUR_S * 1_000 / config.judge.window_ms,
        "": HOUR_S * share * sum(one.records_per_s for one in _of(sources, "production")),
    }
    found = []
    for one in (outlook_of(criterion, verdict) for criterion in verdict["criteria"]):
        kind = "blocks" if one.unit == "block" else "inputs" if one.units == "inputs" else ""
        rate = None if one.unit == "key" or one.criterion.startswith("labels") else per_hour[kind]
        hours = one.needed / rate if one.needed is not None and rate else None
        found.append(Wait(one.criterion, one.needed, one.units, hours))
    return found


def hours_until_shown(config: Config, found: Iterable[Wait]) -> float | None:
    """Return the hours until all criteria can be shown; None if one of them is not known.

    A trial lasts `judge.min_duration_ms` in any case, and the last window must have closed.
    """
    hours = [one.hours for one in found]
    known = [one for one in hours if one is not None]
    if len(known) < len(hours):
        return None
    window = config.judge.window_ms / (HOUR_S * 1_000)
    longest = max([*known, config.judge.min_duration_ms / (HOUR_S * 1_000)])
    return -(-longest // window) * window + config.grace_ms / (HOUR_S * 1_000)


def memory_bytes(config: Config, sources: Sequence[Source]) -> dict[str, tuple[float, float]]:
    """Return what each role is expected to take, and its bound; a joiner keeps records until their partner is there."""
    waiting = 2 * _bytes(_of(sources, "production")) * config.grace_ms / 1_000
    pending = min(float(config.limits.pending_bytes_max), waiting)
    extra = {"joiner": (pending, float(config.limits.pending_bytes_max))}
    none = (0.0, 0.0)
    return {
        role: (size + extra.get(role, none)[0], size + extra.get(role, none)[1]) for role, size in ROLE_BYTES.items()
    }
