"""The isolation rules, pure: which topics and groups a trial owns, and what may never be written.

Every produced topic lies under ``shadow.<name>.`` and every consumer group too. The plan is checked when
it is made, and each write is checked again by the writer that the edge wraps around the client.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from shadowstream.errors import ConfigError, IsolationError

NAME_PATTERN = re.compile(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?")
_TOPIC_CHARS_MAX = 249
TIMESTAMP_AFTER = "message.timestamp.after.max.ms"
_ANY_SIZE = str(100 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic of ours: name, partitions and the broker settings that matter."""

    name: str
    partitions: int
    config: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """Names of everything one trial owns.

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
        """What every topic and group of this trial begins with; ends in a separator on purpose."""
        return f"shadow.{self.name}."

    def out(self, topic: str) -> str:
        """The candidate's output topic for production's `topic`."""
        return f"{self.prefix}out.{topic}"

    def repartition(self, topic: str) -> str:
        """Our copy of production's `topic` by identity, where its partitioner is not known."""
        return f"{self.prefix}repartition.{topic}"

    def of(self, kind: str) -> str:
        """One of our own topics: progress, starts, diff, stats, state, judge-state, drift, verdict, ..."""
        return f"{self.prefix}{kind}"

    def dead_letter(self, role: str) -> str:
        """The dead-letter topic of a role."""
        return f"{self.prefix}dlq.{role}"

    def group(self, role: str) -> str:
        """The consumer group of a role."""
        return f"{self.prefix}{role}"

    def check_write(self, topic: str) -> None:
        """Raise `IsolationError` unless `topic` lies under this trial's prefix."""
        if not topic.startswith(self.prefix) or len(topic) <= len(self.prefix) or len(topic) > _TOPIC_CHARS_MAX:
            raise IsolationError(
                f"refused to write to {topic!r}: trial {self.name!r} may write only to topics under {self.prefix!r} "
                f"(at most {_TOPIC_CHARS_MAX} characters)"
            )

    def check_group(self, group: str, production_groups: Iterable[str] = ()) -> None:
        """Raise `IsolationError` if `group` is not ours or is one of production's."""
        if not group.startswith(self.prefix):
            raise IsolationError(f"refused to use group {group!r}: ours begin with {self.prefix!r}")
        if group in set(production_groups):
            raise IsolationError(f"refused to use group {group!r}: production uses it")

    def check_reads(self, inputs: Iterable[str], outputs: Iterable[str], production_groups: Iterable[str]) -> None:
        """Check what a config wants to read: no topic of a trial as production's, no trial group as production's."""
        for topic in [*inputs, *outputs]:
            if topic.startswith("shadow."):
                raise IsolationError(
                    f"{topic!r} lies under 'shadow.': inputs and production outputs must be production's own topics"
                )
        for group in production_groups:
            if group.startswith(self.prefix):
                raise IsolationError(
                    f"production.group {group!r} lies under {self.prefix!r}: that is a group of this trial"
                )

    def specs(
        self,
        outputs: dict[str, int],
        *,
        diff_json: bool = False,
        repartitioned: Collection[str] = (),
        labels: bool = False,
    ) -> list[TopicSpec]:
        """Every topic of the trial, given production's output topics and their partition counts.

        `diff_json` as in the config: the topic diff.json is there only where it was asked for. `repartitioned` are the
        output topics of which we keep a copy by identity. `labels`: whether late labels are waited for.
        Cleanup and retention follow the topic table of the design (docs/architecture.md).
        """
        forever = ("retention.ms", "-1")
        # Segments are rolled by the records' time: replaying a year would make hundreds of files a partition.
        long_segments = ("segment.ms", str(10 * 365 * 86_400_000))
        # The broker refuses event times over an hour ahead; production's record was taken, so ours must be.
        any_time = (TIMESTAMP_AFTER, str(2**63 - 1))
        widest = max(outputs.values(), default=1)
        specs = [
            # Candidate outputs carry the inputs' (old) timestamps: time retention would delete them at once.
            TopicSpec(self.out(topic), partitions, (forever, long_segments, any_time, ("cleanup.policy", "delete")))
            for topic, partitions in outputs.items()
        ]
        # Copies keep production's timestamps and, whatever its topic allows, production's sizes.
        copies = (forever, long_segments, any_time, ("cleanup.policy", "delete"), ("max.message.bytes", _ANY_SIZE))
        specs += [TopicSpec(self.repartition(t), n, copies) for t, n in outputs.items() if t in repartitioned]
        compact = ("cleanup.policy", "compact")
        # Rows of diff carry event times too, so only their size may delete them.
        rows = (("cleanup.policy", "compact,delete"), forever, long_segments, any_time)
        specs += [
            TopicSpec(self.of("progress"), 1, (forever,)),
            TopicSpec(self.of("starts"), 1, (forever,)),
            TopicSpec(self.of("diff"), widest, rows),
            *([TopicSpec(self.of("diff.json"), widest, rows)] if diff_json else []),
            TopicSpec(self.of("stats"), widest, (forever,)),
            TopicSpec(self.of("state"), widest, (compact,)),
            TopicSpec(self.of("runner-state"), widest, (compact,)),
            TopicSpec(self.of("attempts"), 1, (compact, ("segment.bytes", "1048576"))),
            TopicSpec(self.of("judge-state"), 1, (compact,)),
            TopicSpec(self.of("drift"), 1, (forever,)),
            TopicSpec(self.of("verdict"), 1, (compact,)),
            TopicSpec(self.of("audit"), 1, (forever,)),
            TopicSpec(self.of("commands"), 1, (forever,)),
            TopicSpec(self.of("deliveries"), 1, (compact,)),
            TopicSpec(self.dead_letter("runner"), 1, (forever, long_segments, any_time)),
            TopicSpec(self.dead_letter("joiner"), 1, (forever, long_segments, any_time)),
        ]
        if labels:
            specs += [
                TopicSpec(self.of("scored"), widest, (forever, long_segments, any_time)),
                TopicSpec(self.of("labels-state"), 1, (compact,)),
            ]
        for spec in specs:
            self.check_write(spec.name)
        return specs
