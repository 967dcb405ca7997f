"""The identity that fits sampled records: for each way to pair them, how many outputs have an id, and find an input."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from shadowstream.codecs.framing import SCHEMA_HEADER
from shadowstream.first_config.sampled import Sampled
from shadowstream.first_config.times import is_near_time
from shadowstream.first_config.wording import of_all
from shadowstream.judge.verdict.identity_fit import SHARE_MAX
from shadowstream.protocol.headers import ORIGIN_HEADER, PACKED_HEADER, text_coordinate
from shadowstream.yaml_flow import quoted

FOUND_MIN = 0.5
"""Least share of the outputs whose id is that of a sampled input: the sample of the inputs may miss some."""
DELAY_MS = 5_000
"""A delay of production above this needs a longer tolerance than the default."""
Ids = Sequence[Hashable | None]
_KEY = ("key", "")
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
        place = "the record key" if self.kind in ("key", "occurrence") else f"the header {quoted(self.header or '')}"
        place = f"the field {quoted(self.path)}" if self.path is not None else place
        again = f"comes again in {self.repeated:,} of them" if self.repeated else "never comes again"
        begin = f"{place} is in {of_all(self.with_id, self.records, 'sampled outputs')}"
        if self.found is None:
            return f"{begin} and {again}; no input was sampled, so it is not checked against inputs"
        found = of_all(self.found, self.records, "of them") if self.found < self.records else "all of them"
        return f"{begin}, {again}, and is {self.origin} of a sampled input in {found}"


def ways(inputs: Sequence[Sampled], outputs: Sequence[Sampled]) -> list[Way]:
    """Return all ways whose id most sampled outputs have, those that fit first, in order of preference."""
    read = [one for one in outputs if len(one)]
    known = _known_ids([one for one in inputs if len(one)])
    found = [*_by_coordinate(inputs, read), _by_key(known, read), *_by_header(known, read), *_by_path(known, read)]
    present = [way for way in found if way.is_present]
    fitting = [way for way in present if way.fits]
    many = [replace(way, outputs="many") for way in present if way.fits_many]
    keyed = [way for way in present if way.kind == "key" and not (way.fits or way.fits_many)]
    again = [_as_occurrence(way, inputs, read) for way in keyed]
    return [*fitting, *many, *(way for way in again if way.is_found)]


def _count(kind: Kind, rows: Sequence[Ids], **more: Any) -> Way:
    """Count ids of output topics; each topic is paired apart, so an id may be in several of them."""
    with_id = sum(id_ is not None for ids in rows for id_ in ids)
    distinct = sum(len({id_ for id_ in ids if id_ is not None}) for ids in rows)
    return Way(kind, records=sum(map(len, rows)), with_id=with_id, repeated=with_id - distinct, **more)


class _Held(NamedTuple):
    """Ids that one place of the sampled inputs holds, with the key of the record; `repeats`: the share that repeats."""

    keys: dict[Hashable, bytes | None]
    repeats: float


_Place = tuple[str, str]
"""Key, header or field, and its name."""


def _known_ids(inputs: Sequence[Sampled]) -> dict[_Place, _Held]:
    """Return the ids of the inputs by the place that holds them: the key, and places where ids hardly repeat."""
    known: dict[_Place, _Held] = {}
    for one in inputs:
        columns: dict[_Place, Ids] = {_KEY: one.keys}
        columns |= {("header", name): one.texts_of_header(name) for name in _header_names([one])}
        columns |= {
            ("field", path): one.texts_of_field(path) for path, values in one.fields.items() if _are_ids(values)
        }
        for place, ids in columns.items():
            held = {id_: key for id_, key in zip(ids, one.keys, strict=True) if id_ is not None}
            count = len(ids) - ids.count(None)
            repeats = (count - len(held)) / count if count else 0.0
            if place == _KEY or (held and repeats <= SHARE_MAX):
                others = known.get(place, _Held({}, 0.0))
                known[place] = _Held(others.keys | held, max(others.repeats, repeats))
    return known


def _header_names(topics: Sequence[Sampled]) -> list[str]:
    """Names of headers that may hold an id, in order of first occurrence."""
    names = dict.fromkeys(name for one in topics for of in one.headers for name in of)
    return [name for name in names if name not in (PACKED_HEADER, ORIGIN_HEADER, SCHEMA_HEADER)]


def _found_at(known: dict[_Place, _Held], place: _Place, rows: Sequence[Ids]) -> dict[str, Any]:
    """Return the fields of a `Way` that the inputs give; none without sampled inputs."""
    if not known:
        return {}
    held = known.get(place, _Held({}, 0.0))
    found = sum(id_ in held.keys for ids in rows for id_ in ids if id_ is not None)
    return {"found": found, "repeated_inputs": held.repeats, "origin": _shown(place)}


def _shown(place: _Place) -> str:
    kind, name = place
    return "the key" if kind == "key" else f"the {kind} {quoted(name)}"


def _by_key(known: dict[_Place, _Held], outputs: Sequence[Sampled]) -> Way:
    rows = [one.keys for one in outputs]
    return _count("key", rows, **_found_at(known, _KEY, rows))


def _by_header(known: dict[_Place, _Held], outputs: Sequence[Sampled]) -> Iterator[Way]:
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
            yield _count("coordinate", rows, header=name, origin="the topic, partition and offset", **found)


def _by_path(known: dict[_Place, _Held], outputs: Sequence[Sampled]) -> Iterator[Way]:
    """Fields whose values identify an input by any of its places: the candidate writes the same field."""
    by_key = _by_key(known, outputs)
    shares_keys = by_key.found is not None and by_key.is_present and by_key.is_found
    shared = [path for path in (outputs[0].fields if outputs else ()) if all(path in one.fields for one in outputs)]
    for path in sorted(shared, key=lambda path: not path.lower().endswith("id")):
        if not all(_are_ids(one.fields[path]) and not is_near_time(one.fields[path], one.times_ms) for one in outputs):
            continue
        rows = [one.texts_of_field(path) for one in outputs]
        pairs = [pair for ids, one in zip(rows, outputs, strict=True) for pair in zip(ids, one.keys, strict=True)]
        counted = ((_agreeing(held, pairs, by_key=shares_keys), place) for place, held in known.items())
        best = max(counted, default=(0, _KEY))
        if best[0]:  # without inputs, any unique number would look like an id
            held = known[best[1]]
            way = _count("id", rows, path=path)
            yield replace(way, found=best[0], origin=_shown(best[1]), repeated_inputs=held.repeats)


def _agreeing(held: _Held, pairs: Sequence[tuple[Hashable | None, bytes | None]], *, by_key: bool) -> int:
    """Count the outputs whose id an input has; `by_key`: an input with their key, since small numbers are equal by
    chance."""
    found = [(held.keys[id_], key) for id_, key in pairs if id_ is not None and id_ in held.keys]
    return sum(one == other for one, other in found) if by_key else len(found)


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
