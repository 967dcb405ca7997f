"""Isolation rules: the topics and groups that a trial owns, and the topics that it must never write. Pure.

Every produced topic and every consumer group is under ``shadow.<name>.``. The plan is checked on creation, and the
writer around the client checks each write again.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from shadowstream.errors import ConfigError, IsolationError

NAME_PATTERN = re.compile(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?")
_TOPIC_CHARS_MAX = 249
TIMESTAMP_AFTER = "message.timestamp.after.max.ms"
_ANY_SIZE = 100 * 1024 * 1024
UNBOUNDED = -1
SEGMENT_BYTES_MIN = 16 * 1024 * 1024
"""A segment must hold the largest batch of a producer: about 1 MB, unless brokers and clients allow more."""
SEGMENT_BYTES_MAX = 1024 * 1024 * 1024
SEGMENTS = 10
"""Segments of a bounded partition. Brokers delete whole segments, so it takes up to one more than its bound."""


class Kept(NamedTuple):
    """Bounds of the trial's topics: ms by the clock, ms by event time, bytes of a partition; `UNBOUNDED` is none."""

    ms: int = UNBOUNDED
    event_ms: int = UNBOUNDED
    bytes: int = UNBOUNDED

    def settings(self, *, by_event_time: bool, segment_min: int = SEGMENT_BYTES_MIN) -> tuple[tuple[str, str], ...]:
        """Return the settings of a topic, whose records have event times or the times of their writing."""
        by_time = ("retention.ms", str(self.event_ms if by_event_time else self.ms))
        if self.bytes == UNBOUNDED:
            return by_time, ("retention.bytes", str(UNBOUNDED))
        segment = min(SEGMENT_BYTES_MAX, max(segment_min, self.bytes // SEGMENTS))
        return by_time, ("retention.bytes", str(self.bytes)), ("segment.bytes", str(segment))


NOT_BOUNDED = Kept()


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic of the trial: name, partitions and relevant broker settings."""

    name: str
    partitions: int
    config: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """Names of all topics and groups of one trial.

    >>> plan = TopicPlan("fraud")
    >>> plan.out("scores")
    'shadow.fraud.out.scores'
    >>> plan.check_write("shadow.fraud2.out.scores")
    Traceback (most recent call last):
    ...
    shadowstream.errors.IsolationError: refused to write to 'shadow.fraud2.out.scores': ...
    """

    name: str

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            # No dot: with one, the prefix of trial "a" would cover the topics of trial "a.b".
            raise ConfigError(
                f"name: {self.name!r} is not usable; use 1-64 of a-z, 0-9, '-', '_', no dot, "
                "beginning and ending with a letter or digit"
            )

    @property
    def prefix(self) -> str:
        """The common prefix of this trial's topics and groups; it ends in a separator on purpose."""
        return f"shadow.{self.name}."

    def out(self, topic: str) -> str:
        """Return the candidate's output topic for production's `topic`."""
        return f"{self.prefix}out.{topic}"

    def repartition(self, topic: str) -> str:
        """Return the copy of production's `topic` by identity, for an unknown partitioner."""
        return f"{self.prefix}repartition.{topic}"

    def of(self, kind: str) -> str:
        """Return a topic of the trial: progress, starts, diff, stats, state, judge-state, drift, verdict, ..."""
        return f"{self.prefix}{kind}"

    def dead_letter(self, role: str) -> str:
        return f"{self.prefix}dlq.{role}"

    def group(self, role: str) -> str:
        return f"{self.prefix}{role}"

    def check_write(self, topic: str) -> None:
        """Raise `IsolationError` unless `topic` is under this trial's prefix."""
        if not topic.startswith(self.prefix) or len(topic) <= len(self.prefix) or len(topic) > _TOPIC_CHARS_MAX:
            raise IsolationError(
                f"refused to write to {topic!r}: trial {self.name!r} may write only to topics under {self.prefix!r} "
                f"(at most {_TOPIC_CHARS_MAX} characters)"
            )

    def check_group(self, group: str, production_groups: Iterable[str] = ()) -> None:
        """Raise `IsolationError` if `group` is not the trial's or is one of production's."""
        if not group.startswith(self.prefix):
            raise IsolationError(f"refused to use group {group!r}: groups of this trial begin with {self.prefix!r}")
        if group in set(production_groups):
            raise IsolationError(f"refused to use group {group!r}: production uses it")

    def check_reads(self, inputs: Iterable[str], outputs: Iterable[str], production_groups: Iterable[str]) -> None:
        """Raise `IsolationError` if a config names topics or groups of a trial as production's."""
        for topic in [*inputs, *outputs]:
            if topic.startswith("shadow."):
                raise IsolationError(
                    f"{topic!r} is under 'shadow.': inputs and production outputs must be production's own topics"
                )
        for group in production_groups:
            if group.startswith(self.prefix):
                raise IsolationError(
                    f"production.group {group!r} is under {self.prefix!r}: that is a group of this trial"
                )

    def specs(
        self,
        outputs: dict[str, int],
        *,
        diff_json: bool = False,
        repartitioned: Collection[str] = (),
        labels: bool = False,
        rechecks: bool = False,
        kept: Kept = NOT_BOUNDED,
    ) -> list[TopicSpec]:
        """Return all topics of the trial, given production's output topics and their partition counts.

        `diff_json` is the config's: the topic diff.json exists only if requested. `repartitioned` are the output
        topics copied by identity. `labels`: whether the trial has late labels; `rechecks`: whether the candidate is
        called again where it differs. `kept`: the bounds of what grows.
        """
        # Few records, which every start or verdict reads: marks of starts, people's commands, events and verdicts.
        whole = (("retention.ms", str(UNBOUNDED)),)
        by_clock = kept.settings(by_event_time=False)
        # The broker rolls segments by the records' time: replaying a year would create hundreds of files a partition.
        long_segments = ("segment.ms", str(10 * 365 * 86_400_000))
        # The broker rejects event times over an hour ahead. It accepted production's record, so it must accept a copy.
        any_time = (TIMESTAMP_AFTER, str(2**63 - 1))
        # Candidate outputs carry the inputs' (old) timestamps: time retention may delete them at once.
        by_event = (*kept.settings(by_event_time=True), long_segments, any_time)
        widest = max(outputs.values(), default=1)
        delete = ("cleanup.policy", "delete")
        specs = [TopicSpec(self.out(topic), partitions, (*by_event, delete)) for topic, partitions in outputs.items()]
        # Copies keep production's timestamps and sizes, independent of the limits of its topic.
        wide = kept.settings(by_event_time=True, segment_min=2 * _ANY_SIZE)
        copies = (*wide, long_segments, any_time, delete, ("max.message.bytes", str(_ANY_SIZE)))
        specs += [TopicSpec(self.repartition(t), n, copies) for t, n in outputs.items() if t in repartitioned]
        # Brokers compact all but the newest segment, which is 1 GiB by default.
        compact = (("cleanup.policy", "compact"), ("segment.bytes", str(SEGMENT_BYTES_MIN)))
        # Rows of diff carry event times too.
        rows = (("cleanup.policy", "compact,delete"), *by_event)
        specs += [
            TopicSpec(self.of("progress"), 1, by_clock),
            TopicSpec(self.of("starts"), 1, whole),
            TopicSpec(self.of("diff"), widest, rows),
            *([TopicSpec(self.of("diff.json"), widest, rows)] if diff_json else []),
            TopicSpec(self.of("stats"), widest, by_clock),
            TopicSpec(self.of("state"), widest, compact),
            TopicSpec(self.of("runner-state"), widest, compact),
            TopicSpec(self.of("attempts"), 1, (compact[0], ("segment.bytes", "1048576"))),
            TopicSpec(self.of("judge-state"), 1, compact),
            TopicSpec(self.of("drift"), 1, whole),
            TopicSpec(self.of("verdict"), 1, compact),
            TopicSpec(self.of("audit"), 1, whole),
            TopicSpec(self.of("commands"), 1, whole),
            TopicSpec(self.of("deliveries"), 1, compact),
            TopicSpec(self.dead_letter("runner"), 1, by_event),
            TopicSpec(self.dead_letter("joiner"), 1, by_event),
        ]
        if labels:
            specs += [
                TopicSpec(self.of("scored"), widest, by_event),
                TopicSpec(self.of("labels-state"), 1, compact),
            ]
        if rechecks:
            # A request is of no use once its pair does not wait any more, an hour at most.
            of_a_day = (("retention.ms", str(86_400_000)), ("segment.bytes", str(SEGMENT_BYTES_MIN)))
            specs += [TopicSpec(self.of("rechecks"), 1, of_a_day), TopicSpec(self.of("second-answers"), 1, by_clock)]
        for spec in specs:
            self.check_write(spec.name)
        return specs
