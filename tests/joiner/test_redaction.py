"""Dead letters of the joiner, and that nothing of what must not be read leaves it."""

from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.compare.redact import MARK
from shadowstream.config import Redact
from shadowstream.records import Write
from tests.joiner.joiner_world import Record, World, config

SECRET = "a secret of this trial"
HIDDEN = ("alice", "4711", "BROKEN")


class WorldWithSinks(World):
    """A world that keeps every write as it leaves."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.left: list[Write] = []

    def commit(self) -> None:
        prepare = self.joiner.prepare

        def kept(now_ms: int, maximum: int) -> Any:
            prepared = prepare(now_ms, maximum)
            self.left += prepared.writes
            return prepared

        self.joiner.prepare = kept  # type: ignore[method-assign]  # its writes pass through here
        super().commit()
        self.joiner.prepare = prepare  # type: ignore[method-assign]  # as it was

    @property
    def letters(self) -> list[Write]:
        return [write for write in self.left if write.topic == self.config.plan.dead_letter("joiner")]


def played(**compare: Any) -> WorldWithSinks:
    world = WorldWithSinks(config(compare={"match_sample": 1, **compare})).begin()
    for key, production, shadow in (
        ("k-alice", '{"user": {"name": "alice", "n": 1}, "card": 4711}', '{"user": {"name": "alice2", "n": 2}}'),
        ("k-alice-2", '{"user": {"name": "alice"}, "n": 1}', '{"n": 2}'),
        ("k-alice-3", '{"user": 1}', '{"user": BROKEN alice'),
        ("k-alice-4", "alice BROKEN", '{"user": 1}'),
    ):
        world.production(key, production)
        world.shadow(key, shadow, 0)
    world.turn()
    return world


def test_an_undecodable_record_goes_to_the_dead_letters_with_connects_headers() -> None:
    world = played()
    assert world.outcomes() == {"mismatch": 2, "undecodable_shadow": 1, "undecodable_production": 1}
    one, other = sorted(world.letters, key=lambda write: dict(write.headers or [])["__connect.errors.topic"])
    headers = {name: content.decode() for name, content in one.headers or []}
    assert headers.pop("__connect.errors.exception.message").startswith("framing: begins with 616c696365")
    assert headers == {
        "__connect.errors.topic": "out",
        "__connect.errors.partition": "0",
        "__connect.errors.offset": "3",
        "__connect.errors.stage": "VALUE_CONVERTER",
        "__connect.errors.exception.class.name": "RecordError",
    }
    assert (one.key, one.value) == (b"k-alice-4", b"alice BROKEN")
    assert other.value == b'{"user": BROKEN alice'


@pytest.mark.parametrize("how", ["hash", "drop"])
def test_what_is_redacted_is_in_no_own_record(how: str) -> None:
    redact = {"paths": ["user.name", "card"], "keys": True, "how": how, "secret": SECRET}
    dimensions = [{"name": "name", "path": "user.name"}, {"name": "n", "path": "user.n"}]
    world = played(redact=redact, dimensions=dimensions)
    assert world.outcomes() == {"mismatch": 2, "undecodable_shadow": 1, "undecodable_production": 1}
    for write in world.left:
        whole = b"".join([write.key or b"", write.value or b"", *(content for _, content in write.headers or [])])
        assert not [word for word in HIDDEN if word.encode() in whole or word.encode().hex().encode() in whole]
    names = {one["values"][0] for record in world.stats for w in record["windows"] for one in w["slices"]}
    assert any(name.startswith(MARK) for name in names)
    shown = {d["path"]: (d["production"], d["shadow"], d["delta"]) for row in world.diff for d in row["differences"]}
    assert shown["user.n"] == ("1", "2", 1.0)
    production, shadow, delta = shown["user.name"]
    assert (production == shadow, delta) == (how == "drop", None)
    assert all(text.startswith(f'"{MARK}') for text in (production, shadow))


def test_element_keys_in_paths_and_headers_that_slice_are_redacted_too() -> None:
    rules = [{"path": "people", "key": "name"}, {"path": "open", "key": "id"}]
    redact = {"paths": ["people.*.name"], "headers": ["who"], "secret": SECRET}
    dimensions = [{"name": "who", "header": "who"}, {"name": "how", "header": "how"}]
    compare = {"match_sample": 1, "rules": rules, "redact": redact, "dimensions": dimensions}
    world = WorldWithSinks(config(compare=compare)).begin()
    alice = '{"people": [{"name": "alice", "n": 1}]'
    pairs = (
        (alice + ', "open": [{"id": 7, "n": 1}]}', '{"people": [], "open": [{"id": 7, "n": 2}]}'),
        (alice + "}", '{"people": [{"name": "alice", "n": 2}]}'),
    )
    for n, (production, shadow) in enumerate(pairs):
        world.production(f"k{n}", production)
        world.shadow(f"k{n}", shadow, n, who="4711", how="plain")
    world.turn()
    assert world.outcomes() == {"mismatch": 2}
    for write in world.left:
        whole = b"".join([write.key or b"", write.value or b""])
        assert not [word for word in HIDDEN if word.encode() in whole], write.topic
    paths = sorted(one["path"] for row in world.diff for one in row["differences"])
    assert paths[0] == "open.7.n"
    assert all(path.startswith(f"people.{MARK}") for path in paths[1:])
    assert paths[2] == f"{paths[1]}.n"  # the same person under the same name
    fields = {path for record in world.stats for window in record["windows"] for path in window["fields"]}
    assert fields == set(paths)
    values = {tuple(one["values"]) for record in world.stats for w in record["windows"] for one in w["slices"]}
    assert ("plain",) in values
    assert any(len(one) == 1 and one[0].startswith(MARK) for one in values)


HIDDEN_KEYS: dict[str, dict[str, Any]] = {
    "hash": {"redact": {"keys": True, "secret": SECRET}},
    "drop": {"redact": {"keys": True, "how": "drop", "secret": SECRET}},
    "none": {"examples": {"values": "none", "secret": SECRET}},
}


@pytest.mark.parametrize("compare", HIDDEN_KEYS.values(), ids=HIDDEN_KEYS)
@pytest.mark.parametrize(("key", "late"), [("alice", "alice"), ('{"id": 1, "at": 2}', '{"at":2,"id":1}')])
def test_a_late_partner_of_a_redacted_key_is_found_after_a_restart(compare: Any, key: str, late: str) -> None:
    world = World(config(compare={"match_sample": 0, **compare}, grace_ms=0, idle_ms=1))
    world.start()
    for one in (f"not {key}", key):
        world.production(one, '{"n": 1}', 5)
        world.logs[world.inputs[0]].append(Record(one.encode(), b"", 5))
    world.production_committed[world.inputs[0]] = 2
    world.done(2)
    world.start_joiner()
    world.turn(2)
    assert world.outcomes() == {"missing": 2}
    world.start_joiner()
    world.shadow(late, '{"n": 2}', 0, 5)
    world.turn(3)
    assert world.outcomes() == {"missing": 1, "mismatch": 1}
    corrected = [row for row in world.diff if row["outcome"] == "mismatch"]
    assert [row["pair_id"] for row in corrected] == [world.diff[1]["pair_id"]]
    assert len({row["key"] for row in world.diff}) == 2
    assert all(row["key"].startswith(MARK.encode()) for row in world.diff)


@pytest.mark.parametrize("parts", [{"how": "drop"}, {"paths": ["a"], "secret": "short"}])
def test_a_redaction_that_hides_nothing_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Redact(**parts)
