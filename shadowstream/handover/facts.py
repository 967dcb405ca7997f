"""Facts of a cluster at a handover: groups, commits, logs. Read by `shadowstream.kafka.trial.handover_facts`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shadowstream.records import Partition


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A consumer group. `state`: as the brokers name it, empty if they know no such group. `members`: one text each."""

    name: str
    state: str
    members: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the group exists; a dead one is no more."""
        return self.state not in ("", "dead")

    @property
    def is_active(self) -> bool:
        """Whether a process may still be a member."""
        return self.is_known and self.state != "empty"


@dataclass(frozen=True, slots=True)
class InputFacts:
    """One input partition.

    `begin`, `end`: log start and high watermark. `committed`: production's commit, None if it has none.
    `unsettled`: an open transaction holds a commit of production. `done`: the offset below which the candidate has
    answered, None if unknown. `in_trial`: whether the trial began with this partition.
    """

    place: Partition
    begin: int
    end: int
    committed: int | None
    unsettled: bool = False
    done: int | None = None
    in_trial: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of one look. `moved`: partitions whose commit changed within `watched_s` seconds.

    `new_group`: the group of the new version's own, if it has one. `open_outputs`: production's output partitions on
    which a transaction is open, with the offset where it begins.
    """

    group: GroupFacts
    inputs: tuple[InputFacts, ...]
    watched_s: float
    moved: tuple[Partition, ...] = ()
    new_group: GroupFacts | None = None
    open_outputs: Mapping[Partition, int] = field(default_factory=dict)
