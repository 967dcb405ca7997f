"""The identity that fits sampled records: for each way to pair them, how many outputs have an id, and find an input."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from shadowstream.codecs.framing import SCHEMA_HEADER
from shadowstream.first_config.sampled import Sampled
from shadowstream.first_config.times import is_near_time
from shadowstream.first_config.wording import of_all, quoted
from shadowstream.judge.verdict.identity_fit import SHARE_MAX
from shadowstream.protocol.headers import ORIGIN_HEADER, PACKED_HEADER, text_coordinate

FOUND_MIN = 0.5
"""Least share of the outputs whose id is that of a sampled input: the sample of the inputs may miss some."""
DELAY_MS = 5_000
"""A delay of production above this needs a longer tolerance than the default."""
Ids = Sequence[Hashable | None]
Kind = Literal["key", "coordinate", "id", "occurrence"]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to pair records, with its counts over the sampled outputs.

    `with_id`: outputs that have an id; `repeated`: those whose id came before. `found`: those whose id is a sampled
    input's, None if no input was sampled. `repeated_inputs`: the largest share of an input topic's records whose id
    came before. `origin`: where the inputs hold the id.
    """

    kind: Kind
    header: str | None = None
    path: str | None = None
    records: int = 0
    with_id: int = 0
    repeated: int = 0
    found: int | None = None
    repeated_inputs: float = 0.0
    origin: str = ""
    outputs: Literal["one", "many"] = "one"
    tolerance_ms: int | None = None

    @property
    def is_present(self) -> bool:
        return self.records > 0 and self.with_id >= (1 - SHARE_MAX) * self.records

    @property
    def is_found(self) -> bool:
        return self.found is None or self.found >= FOUND_MIN * self.with_id

    @property
    def is_unique(self) -> bool:
        return self.repeated <= SHARE_MAX * self.records

    @property
    def fits(self) -> bool:
        """Whether each sampled output has an id of its own, up to a share that a verdict accepts too."""
        return self.is_present and self.is_found and self.is_unique and self.repeated_inputs <= SHARE_MAX

    @property
    def fits_many(self) -> bool:
        """Whether several outputs name one input, and inputs are distinct."""
        is_of_inputs = self.found is not None and self.repeated_inputs <= SHARE_MAX
        return self.is_present and self.is_found and is_of_inputs and not self.is_unique

    @property
    def settings(self) -> dict[str, object]:
        """The section `identity`."""
        given = {"kind": self.kind, "header": self.header, "path": self.path, "tolerance_ms": self.tolerance_ms}
        many = None if self.outputs == "one" else self.outputs
        return {name: value for name, value in {**given, "outputs": many}.items() if value is not None}

    @property
    def evidence(self) -> str:
        """What the sample shows, as one sentence."""
        place = "the record key" if self.kind in ("key", "occurrence") else f"header {quoted(self.header or '')}"
        place = f"the field {quoted(self.path)}" if self.path is not None else place
        parts = [f"{place} is there in {of_all(self.with_id, self.records, 'sampled outputs')}"]
        again = f"and comes again in {self.repeated:,} of them"
        parts.append("and never comes again" if not self.repeated else again)
        if self.found is None:
            return " ".join(parts) + "; no input was sampled, so it is not checked against inputs"
        named = f"the id of a sampled input ({self.origin})" if self.origin else "the id of a sampled input"
        return f"{' '.join(parts)}; it is {named} in {of_all(self.found, self.records, 'sampled outputs')}"


def ways(inputs: Sequence[Sampled], outputs: Sequence[Sampled]) -> list[Way]:
    """Return all ways whose id most sampled outputs have, those that fit first, in order of preference."""
    read = [one for one in outputs if len(one)]
    known = _known_ids([one for one in inputs if len(one)])
    found = [*_by_coordinate(inputs, read), _by_key(known, read), *_by_header(known, read), *_by_path(known, read)]
    present = [way for way in found if way.is_present]
    fitting = [way for way in present if way.fits]
    many = [replace(way, outputs="many") for way in present if way.fits_many]
    again = [_as_occurrence(way, inputs, read) for way in present if way.kind == "key" and not way.fits]
    return [*fitting, *many, *(way for way in again if way.is_found)]


def _count(kind: Kind, rows: Sequence[Ids], **more: Any) -> Way:
    """Count ids of output topics; each topic is paired apart, so an id may be in several of them."""
    with_id = sum(id_ is not None for ids in rows for id_ in ids)
    distinct = sum(len({id_ for id_ in ids if id_ is not None}) for ids in rows)
    return Way(kind, records=sum(map(len, rows)), with_id=with_id, repeated=with_id - distinct, **more)


@dataclass(frozen=True, slots=True)
class _Known:
    """Ids of the sampled inputs by the place that holds them."""

    places: dict[tuple[str, str], set[Hashable]]
    repeats: dict[tuple[str, str], float]

    def at(self, place: tuple[str, str], ids: Iterable[Hashable | None]) -> int:
        """The number of these ids that an input has at a place."""
        held = self.places.get(place, set())
        return sum(id_ in held for id_ in ids if id_ is not None)

    def best(self, ids: Sequence[Hashable | None]) -> tuple[tuple[str, str] | None, int]:
        """The place that holds the most of these ids, and how many."""
        return max(((place, self.at(place, ids)) for place in self.places), key=lambda one: one[1], default=(None, 0))


def _known_ids(inputs: Sequence[Sampled]) -> _Known:
    known = _Known({}, {})
    for one in inputs:
        columns: dict[tuple[str, str], Ids] = {("key", ""): one.keys}
        columns |= {("header", name): one.texts_of_header(name) for name in _header_names([one])}
        columns |= {("field", path): one.texts_of_field(path) for path in one.fields}
        for place, ids in columns.items():
            held = [id_ for id_ in ids if id_ is not None]
            known.places.setdefault(place, set()).update(held)
            repeats = (len(held) - len(set(held))) / len(held) if held else 0.0
            known.repeats[place] = max(known.repeats.get(place, 0.0), repeats)
    return known


def _header_names(topics: Sequence[Sampled]) -> list[str]:
    """Names of headers that may hold an id, in order of first occurrence."""
    names = dict.fromkeys(name for one in topics for of in one.headers for name in of)
    return [name for name in names if name not in (PACKED_HEADER, ORIGIN_HEADER, SCHEMA_HEADER)]


def _found_at(known: _Known, place: tuple[str, str], rows: Sequence[Ids]) -> dict[str, Any]:
    if not known.places:
        return {}
    found = known.at(place, [id_ for ids in rows for id_ in ids])
    return {"found": found, "repeated_inputs": known.repeats.get(place, 0.0), "origin": _shown(place)}


def _shown(place: tuple[str, str]) -> str:
    kind, name = place
    return "its key" if kind == "key" else f"its {kind} {quoted(name)}"


def _by_key(known: _Known, outputs: Sequence[Sampled]) -> Way:
    rows = [one.keys for one in outputs]
    return _count("key", rows, **_found_at(known, ("key", ""), rows))


def _by_header(known: _Known, outputs: Sequence[Sampled]) -> Iterator[Way]:
    """Headers of one name on both sides: the runner copies the input's header to the candidate's outputs."""
    for name in _header_names(outputs):
        rows = [one.texts_of_header(name) for one in outputs]
        yield _count("id", rows, header=name, **_found_at(known, ("header", name), rows))


def _by_coordinate(inputs: Sequence[Sampled], outputs: Sequence[Sampled]) -> Iterator[Way]:
    """Headers that name the input as topic/partition/offset."""
    topics = [one.topic for one in inputs]
    sampled = {(at, *place) for at, one in enumerate(inputs) for place in one.places}
    for name in _header_names(outputs):
        rows = [[text_coordinate(raw, topics) for raw in one.texts_of_header(name)] for one in outputs]
        found = {"found": sum(at is not None and at[:3] in sampled for ids in rows for at in ids)} if sampled else {}
        if any(at is not None for ids in rows for at in ids):
            yield _count("coordinate", rows, header=name, origin="its topic, partition and offset", **found)


def _by_path(known: _Known, outputs: Sequence[Sampled]) -> Iterator[Way]:
    """Fields whose values identify an input by any of its places: the candidate writes the same field."""
    shared = [path for path in (outputs[0].fields if outputs else ()) if all(path in one.fields for one in outputs)]
    for path in sorted(shared, key=lambda path: not path.lower().endswith("id")):
        if not all(_are_ids(one.fields[path]) and not is_near_time(one.fields[path], one.times_ms) for one in outputs):
            continue
        rows = [one.texts_of_field(path) for one in outputs]
        way = _count("id", rows, path=path)
        place, found = known.best([id_ for ids in rows for id_ in ids])
        if place is None:
            continue  # without inputs, any unique number would look like an id
        yield replace(way, found=found, origin=_shown(place), repeated_inputs=known.repeats[place])


def _are_ids(values: Iterable[object]) -> bool:
    """Whether values may be ids: neither fractions nor true or false."""
    return not any(isinstance(value, float | bool) for value in values)


def _as_occurrence(way: Way, inputs: Sequence[Sampled], outputs: Sequence[Sampled]) -> Way:
    """The same by key and event time, with a tolerance that covers production's delay."""
    delay_ms = _delay_ms(inputs, outputs)
    longer = -(-2 * delay_ms // 1_000) * 1_000 if delay_ms is not None and delay_ms > DELAY_MS else None
    return replace(way, kind="occurrence", tolerance_ms=longer)


def _delay_ms(inputs: Sequence[Sampled], outputs: Sequence[Sampled]) -> int | None:
    """The time from the last input of the same key to an output, which 99 % do not exceed; None without partners."""
    events: list[tuple[int, int, bytes]] = []
    for side, topics in enumerate((inputs, outputs)):
        for one in topics:
            pairs = zip(one.times_ms, one.keys, strict=True)
            events += [(time_ms, side, key) for time_ms, key in pairs if key is not None]
    last: dict[bytes, int] = {}
    delays = []
    for time_ms, side, key in sorted(events):
        if side == 0:
            last[key] = time_ms
        elif key in last:
            delays.append(time_ms - last[key])
    return sorted(delays)[(len(delays) - 1) * 99 // 100] if delays else None
