"""The truth of a played trial, as the oracle takes it: what was asked for and written, nothing that was said."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from shadowstream.records import Partition, Side
from shadowstream.testing.simulation.history import REVISIONS, WINDOW_MS, Input, Setup
from shadowstream.testing.simulation.logs import Label
from shadowstream.testing.simulation.world import World


class Written(NamedTuple):
    """An output in a log that the joiner reads: which one, of what kind, whose revision wrote it, and its bytes."""

    label: Label
    kind: str
    revision: str
    below_e1: bool
    replayed: bool
    value: bytes | None = None
    broken: bool = False
    """The client cannot decompress it."""
    time_ms: int = 0
    window: int | None = None
    """Start of its window; None where it has no time of its own that moves anything."""


@dataclass(slots=True)
class Unit:
    """One input and all outputs of it, by side in the order of their logs. `lost`: retention may have taken some. The
    outputs of the first input of an id are those that anybody can take for it, see `as_read`."""

    input: Input
    revision: str
    warm: bool
    written: dict[Side, list[Written]] = field(default_factory=dict)
    lost: bool = False


class Truth(NamedTuple):
    """All units; of each input partition the greatest event time, none far ahead, that the first of two revisions has
    handled: a missing record dated beyond it is put down to the second."""

    setup: Setup
    revisions: tuple[str, ...]
    units: list[Unit]
    floors: tuple[int | None, ...]


def truth_of(world: World) -> Truth:
    units: dict[int, Unit] = {}
    logs, ends = world.logs, world.warm_ends or {}
    for (place, offset), one in world.at.items():
        if offset >= world.first[place]:
            handled = world.running.handled if world.running else {}
            if world.running and one.number not in handled and world.cut_short:
                continue
            revision = handled[one.number] if world.running else world.revision
            units[one.number] = Unit(one, revision, offset < world.warm_below[place], {side: [] for side in Side})
    for (place, offset), label in sorted(logs.labels.items(), key=lambda item: item[0][1]):
        unit = units.get(label.number)
        if unit is None or offset < world.first_output.get(place, 0):
            continue
        kind = next(a.kind for a in unit.input.answers[label.side] if a.k == label.k)
        replayed = label.copy > 0 and label._replace(copy=0) in world.production.replayed
        below = offset < ends.get(place, 0)
        broken = (place, offset) in logs.broken
        value = logs.values[place, offset]
        time_ms = unit.input.time_of(label.side)
        window = None if broken or unit.input.poison else time_ms // WINDOW_MS * WINDOW_MS
        of = (label, kind, unit.revision, below, replayed, value, broken, time_ms, window)
        unit.written[label.side].append(Written(*of))
        unit.lost = unit.lost or offset < logs.low(place)
    as_read(units.values())
    revisions = tuple(dict.fromkeys(unit.revision for unit in units.values())) or (world.revision,)
    old = [unit.input for unit in units.values() if unit.revision == REVISIONS[0] and not unit.input.poison]
    times = ([one.time_ms for one in old if one.partition == place.partition] for place in world.inputs)
    return Truth(world.setup, revisions, list(units.values()), tuple(max(of, default=None) for of in times))


def as_read(units: Iterable[Unit]) -> None:
    """Give the first input of an id that comes again the first outputs of that id which anybody can read, by side.

    Nothing in a log tells that a record repeats one that is gone or unreadable. What is first for a reader is the
    first, and its pair may be one of two inputs: the judge excuses as many pairs as records repeat an id.
    """
    first: dict[str, Unit] = {}
    for unit in units:
        head = first.setdefault(unit.input.key, unit)
        for side in Side if unit.input.again else ():
            mine = unit.written[side]
            if all(one.broken for one in head.written[side]) and not all(one.broken for one in mine):
                head.written[side], unit.written[side] = [*head.written[side], *mine], []


def read_in_truth(world: World) -> dict[Partition, int]:
    """Records by place that a joiner has to read."""
    return {
        place: sum(record is not None for record in records[world.first_output.get(place, 0) :])
        for place, records in world.logs.records.items()
    }
