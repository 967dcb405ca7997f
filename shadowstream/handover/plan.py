"""The plan of a handover: numbered steps with commands and checks, and the way back. Pure: facts in, steps out."""

import shlex
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from shadowstream.config import Config
from shadowstream.handover.facts import Facts
from shadowstream.handover.kafka_lines import KafkaLines
from shadowstream.handover.obstacles import Obstacle, notes_of, obstacles_of
from shadowstream.records import Partition


@dataclass(frozen=True, slots=True)
class Step:
    """A step for people. `commands`: lines of a shell, in order. `checks`: signs that it is done. `done`: it is."""

    title: str
    text: tuple[str, ...]
    commands: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    done: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the step as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan. `offsets`: where the new version begins, by input partition; complete where the plan is final."""

    obstacles: tuple[Obstacle, ...]
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    way_back: tuple[Step, ...]
    offsets: dict[Partition, int]

    @property
    def is_final(self) -> bool:
        """Whether the offsets are those of the handover: nobody commits, and every partition has an offset."""
        return not self.obstacles


@dataclass(frozen=True, slots=True)
class Asked:
    """Arguments of a plan. `command`: this command as the user gave it; `config_path`: the trial's file."""

    config: Config
    config_path: str
    revision: str
    command: str
    lines: KafkaLines


def plan_of(asked: Asked, facts: Facts) -> Plan:
    """Return the plan for these facts."""
    offsets = {one.place: _offset(one.committed, one.begin, one.end) for one in facts.inputs}
    known = {place: offset for place, offset in offsets.items() if offset is not None}
    obstacles = obstacles_of(facts, asked.lines)
    writer = _Writer(asked, facts, known, is_final=not obstacles)
    return Plan(tuple(obstacles), tuple(notes_of(facts)), writer.steps(), writer.way_back(), known)


def _offset(committed: int | None, begin: int, end: int) -> int | None:
    """Return where the new version begins: at production's commit, in an empty partition at its end."""
    return begin if committed is None and begin == end else committed


class _Writer:
    """Writer of the steps."""

    def __init__(self, asked: Asked, facts: Facts, offsets: dict[Partition, int], *, is_final: bool) -> None:
        self._asked, self._facts, self._offsets = asked, facts, offsets
        self._is_final = is_final
        self._config, self._lines = asked.config, asked.lines
        self._old = facts.group.name
        self._new = self._old if facts.new_group is None else facts.new_group.name
        self._file = f"handover-{asked.config.name}.csv"

    def steps(self) -> tuple[Step, ...]:
        """Return the steps from production to the new version."""
        return (self._stop(), self._again(), self._end_trial(), self._set_offsets(), self._start(), self._watch())

    def way_back(self) -> tuple[Step, ...]:
        """Return the steps from the new version to the old one."""
        new, old, file = self._new, self._old, f"handback-{self._config.name}.csv"
        stop = Step(
            "Stop the new version",
            ("Stop every process of it in order (SIGTERM), so that it commits.",),
            (self._lines.state(new),),
            ("STATE is Empty and #MEMBERS is 0.",),
        )
        if new == old:
            keep: tuple[str, ...] = (f"The old version continues at the new version's commits{_ONCE}",)
            lines: tuple[str, ...] = (self._lines.offsets(old),)
            done: tuple[str, ...] = ("CURRENT-OFFSET of each partition is at or after its offset in this plan.",)
        else:
            keep = (f"Give group {old} the commits that group {new} has now{_ONCE}",)
            lines = (*self._lines.copy(new, old, self._config.inputs, file), self._lines.offsets(old))
            done = (f"CURRENT-OFFSET of group {old} is that of group {new}, partition by partition.", _TOOL)
        start = Step("Start the old version", (f"Start it in group {old}, with the settings that it had.",))
        again = Step(
            "Only where the new version's answers must be replaced",
            (
                "Before you start the old version, set its group back to the offsets of this plan. It then answers all "
                "inputs since the handover again: their outputs come twice, and readers must take the last one.",
            ),
            self._reset(old, self._offsets),
            (_TOOL,),
        )
        return (stop, Step("Check where the old version continues", keep, lines, done), again, start)

    def _reset(self, group: str, offsets: dict[Partition, int]) -> tuple[str, ...]:
        """Return the lines that set offsets; a comment until the offsets are final, since others lose or repeat."""
        return tuple(self._lines.reset(group, offsets, self._file)) if self._is_final else (_LATER,)

    def _stop(self) -> Step:
        reliable = self._config.production.commits == "after_output"
        text = [f"Stop every process of group {self._old} in order (SIGTERM), so that it flushes and commits."]
        if reliable:
            text.append(
                "It commits after its outputs (production.commits: after_output), so no input is lost. If it is "
                "killed, inputs that it answered after its last commit are answered again: their outputs come twice, "
                "unless it commits within the transaction of its outputs."
            )
        else:
            text.append(
                "production.commits is unknown: if it commits before its outputs are written and is killed, inputs "
                "below its commits have no output and are lost. If it commits after them, some outputs come twice."
            )
        checks = (
            "STATE is Empty and #MEMBERS is 0. A killed member leaves after session.timeout.ms (45 s by default).",
        )
        return Step("Stop production", tuple(text), (self._lines.state(self._old),), checks, self._is_final)

    def _again(self) -> Step:
        text = (
            "With production stopped, take the offsets again: they are final, and the command records them in the "
            "topic commands and, by the running judge, in audit.",
        )
        checks = ("It says final, with exit code 0.",)
        return Step("Take the offsets", text, (self._asked.command,), checks, self._is_final)

    def _end_trial(self) -> Step:
        text = (
            "Stop `up`, or the roles one by one. From here on the new version is production, and the trial would "
            "compare it with itself.",
            *self._state(),
        )
        # A candidate that is a job of its own has no runner; the joiner is in every trial.
        commands = (self._lines.state(self._config.plan.group("joiner")),)
        return Step("End the trial", text, commands, ("STATE is Empty and #MEMBERS is 0.",))

    def _state(self) -> tuple[str, ...]:
        state = self._config.candidate.state
        if state == "snapshot":
            topic = self._config.plan.of("runner-state")
            return (
                f"The candidate holds state: its snapshots in {topic} are those of the shadow's offsets in this plan, "
                "not of production's commits where the two differ. Nothing copies them: give the new version its state "
                "in its own way, or let it warm up.",
            )
        if state == "warm_up":
            return ("The candidate holds state and warms up: the first answers of the new version are warm-up too.",)
        return ()

    def _set_offsets(self) -> Step:
        if self._new != self._old:
            text = (f"Group {self._new} begins where group {self._old} ended.",)
            lines = (*self._reset(self._new, self._offsets), self._lines.offsets(self._new))
            return Step(f"Set the offsets of group {self._new}", text, lines, (_AS_HERE, _TOOL))
        uncommitted = {one.place for one in self._facts.inputs if one.committed is None}
        lacking = {place: offset for place, offset in self._offsets.items() if place in uncommitted}
        text = (f"The new version takes over group {self._old} with its commits, so there is nothing to set.",)
        if not lacking:
            return Step("Check the offsets", text, (self._lines.offsets(self._old),), (_AS_HERE,))
        text = (
            f"The new version takes over group {self._old} with its commits. Only empty partitions without a commit "
            "get one, so that no record is passed over.",
        )
        lines = (*self._reset(self._old, lacking), self._lines.offsets(self._old))
        return Step("Set offsets of empty partitions", text, lines, (_AS_HERE, _TOOL))

    def _start(self) -> Step:
        candidate, outputs = self._config.candidate, ", ".join(self._config.production.outputs)
        text = [
            f"Start {candidate.shown} (revision {self._asked.revision[:16]}) as a consumer of "
            f"{', '.join(self._config.inputs)} in group {self._new}, writing to {outputs}.",
            "Settings: auto.offset.reset=none (librdkafka: error), so that it fails where an offset is missing and "
            "passes over nothing; the partitioner and the key of production's outputs; production's transactional.id, "
            "if it has one.",
            "Start it soon: brokers drop the commits of an empty group after offsets.retention.minutes (7 days).",
        ]
        if candidate.topic is not None:
            text.append(f"It wrote to {candidate.topic} in group {candidate.group} so far: change both.")
        checks = ("The group has members, and CURRENT-OFFSET grows from the offsets in this plan.",)
        return Step("Start the new version", tuple(text), (self._lines.offsets(self._new),), checks)

    def _watch(self) -> Step:
        path = shlex.quote(self._asked.config_path)
        beside = shlex.quote(str(PurePath(self._asked.config_path).with_name("back.yaml")))
        text = (
            "Run the old version as the shadow of the new one: the same judge says when to roll back. Write its config "
            f"by `shadowstream watch-over {path} --candidate OLD --out {beside}`, where OLD is "
            "package.module:callable, or a YAML file with its section candidate.",
        )
        return Step("Watch over the new version", text)


_ONCE = (
    ", so it passes over no input that the new version has not answered. Each input is answered once over both if the "
    "new version was stopped in order, or commits its offsets in one transaction with its outputs."
)
_TOOL = "Kafka's tool ends with exit code 0 even where it refuses: read its lines for Error and WARN."
_LATER = "# the lines that set offsets come with the final offsets"
_AS_HERE = "CURRENT-OFFSET of each partition is its offset in this plan."
