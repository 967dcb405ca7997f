"""Obstacles and notes: why the offsets of a handover are not final, and what a person should know of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from shadowstream.handover.facts import Facts, InputFacts
from shadowstream.handover.kafka_lines import KafkaLines
from shadowstream.records import Partition

SHOWN_MAX = 12
"""Partitions that one sentence names."""


class Obstacle(NamedTuple):
    """A reason why the offsets are not final. `remedy`: a sentence; `commands`: the lines that mend it."""

    text: str
    remedy: str
    commands: tuple[str, ...] = ()


def obstacles_of(facts: Facts, lines: KafkaLines) -> list[Obstacle]:
    """Return all obstacles; none where the offsets are final."""
    return [*_of_groups(facts, lines), *_of_commits(facts, lines)]


def _of_groups(facts: Facts, lines: KafkaLines) -> Iterator[Obstacle]:
    group, name = facts.group, facts.group.name
    if not group.is_known:
        text = (
            f"the cluster shows no group {name}: production has never committed, its commits have expired, or this "
            "login lacks Describe on the group"
        )
        yield Obstacle(text, "correct production.group or grant Describe, or start production so that it commits")
    elif group.is_active:
        members = f" with {_listed(group.members)}" if group.members else ""
        text = f"production still commits: group {name} is in state {group.state}{members}"
        remedy = (
            "stop every process of the group; a killed one stays until its session.timeout.ms ends (45 s by default)"
        )
        yield Obstacle(text, remedy, (lines.state(name),))
    if facts.moved:
        text = (
            f"production still commits: group {name} has no members, but its commits of {_listed(facts.moved)} moved "
            f"within {facts.watched_s:g} s: a process assigns partitions itself"
        )
        yield Obstacle(text, "stop that process", (lines.offsets(name),))
    if facts.new_group is not None and facts.new_group.is_active:
        own = facts.new_group
        members = f" with {_listed(own.members)}" if own.members else ""
        text = f"the new version's group {own.name} is in state {own.state}{members}: nobody can set its offsets"
        yield Obstacle(text, "stop every process of that group", (lines.state(own.name),))


def _of_commits(facts: Facts, lines: KafkaLines) -> Iterator[Obstacle]:
    if not facts.group.is_known:
        return
    name, inputs = facts.group.name, facts.inputs
    if found := [one.place for one in inputs if one.unsettled]:
        text = f"an open transaction holds commits of production: {_listed(found)}"
        remedy = (
            "wait until it ends, at the latest after transaction.timeout.ms of production's producer; a new producer "
            "with its transactional.id ends it at once"
        )
        yield Obstacle(text, remedy)
    if found := [one.place for one in inputs if is_lacking(one)]:
        text = (
            f"production has no commit of {_listed(found)}, which hold records: it has not read them, or the commits "
            "have expired"
        )
        remedy = (
            "decide where the new version begins there: from the log start, as these lines set it, no record is lost "
            "and records that production has answered come again"
        )
        yield Obstacle(text, remedy, _each(lines, name, found))
    if late := [one for one in inputs if one.committed is not None and one.committed < one.begin]:
        lost = sum(one.begin - (one.committed or 0) for one in late)
        text = (
            f"production's commits of {_listed(one.place for one in late)} are before the log start: up to {lost:,} "
            "records were deleted before production read them, and no version can read them"
        )
        remedy = "accept the loss by setting the commits to the log start"
        yield Obstacle(text, remedy, _each(lines, name, [one.place for one in late]))
    if beyond := [one.place for one in inputs if one.committed is not None and one.committed > one.end]:
        text = f"production's commits of {_listed(beyond)} are beyond the end of the log: the topic was created anew"
        remedy = "the trial's evidence is of other records: start production once, or set the commits to the log start"
        yield Obstacle(text, remedy, _each(lines, name, beyond))


def is_lacking(one: InputFacts) -> bool:
    """Whether a partition that holds records has no commit of production."""
    return one.committed is None and not one.unsettled and one.begin < one.end


def notes_of(facts: Facts) -> list[str]:
    """Return what a person should know beside the obstacles."""
    notes = []
    if added := [one.place for one in facts.inputs if not one.in_trial]:
        notes.append(f"added after the trial began, so without evidence: {_listed(added)}")
    if facts.open_outputs:
        at = _listed(f"{place}@{offset}" for place, offset in sorted(facts.open_outputs.items()))
        notes.append(
            f"a transaction is open on production's outputs, at {at}: readers of committed records wait there until it "
            "ends. A new producer with the same transactional.id ends it at once"
        )
    known = [one for one in facts.inputs if one.done is not None and one.committed is not None]
    ahead = sum(max(0, (one.done or 0) - (one.committed or 0)) for one in known)
    trailing = sum(max(0, (one.committed or 0) - (one.done or 0)) for one in known)
    if ahead:
        notes.append(
            f"the shadow is ahead by {ahead:,} offsets: the new version answers these inputs again, now into "
            "production's outputs. The shadow's answers stay in the trial"
        )
    if trailing:
        notes.append(f"the shadow is behind by {trailing:,} offsets: of these inputs the trial has no evidence")
    if unknown := [one.place for one in facts.inputs if one.done is None]:
        notes.append(f"the candidate has no commit of {_listed(unknown)}")
    return notes


def _each(lines: KafkaLines, group: str, places: Sequence[Partition]) -> tuple[str, ...]:
    return tuple(lines.earliest(group, place) for place in places)


def _listed(items: Iterable[object]) -> str:
    """Return items as text.

    >>> _listed(range(14))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more'
    """
    shown = [str(item) for item in items]
    more = f" and {len(shown) - SHOWN_MAX} more" if len(shown) > SHOWN_MAX else ""
    return f"{', '.join(shown[:SHOWN_MAX])}{more}"
