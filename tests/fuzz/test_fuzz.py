"""A short run of the fuzzer, the cases that longer runs have found, and the fuzzer itself against planted faults."""

import random
import time
from pathlib import Path

import pytest

from shadowstream.codecs import own
from tests.codecs.test_blame import FORMATS
from tests.fuzz import __main__ as fuzzer
from tests.fuzz.changes import changed
from tests.fuzz.targets import TARGETS, Target

INPUTS = 60  # of each reader; `make fuzz` tries as many as fit into its time


@pytest.mark.parametrize("name", TARGETS)
def test_changed_bytes_are_answered_by_each_reader(name: str) -> None:
    chance = random.Random(name)
    for _ in range(INPUTS):
        value = changed(chance, TARGETS[name].examples)
        assert fuzzer.run_one(name, value) is None, value


@pytest.mark.parametrize("path", sorted(fuzzer.CASES.glob("*.bin")), ids=lambda path: path.stem)
def test_found_cases_stay_answered(path: Path) -> None:
    name = next(one for one in TARGETS if path.name.startswith(one.replace(" ", "_") + "-"))
    assert fuzzer.run_one(name, path.read_bytes()) is None


def test_every_format_and_every_kind_of_own_record_is_tried() -> None:
    assert {f"{n} {one.format}" for n, one in enumerate(FORMATS)} == {
        name.removeprefix("values ").removesuffix(" header") for name in TARGETS if name.startswith("values ")
    }
    assert {own.decode(value)[0] for value in TARGETS["our topics"].examples} == set(own.NAMES)


def _crashes(value: bytes) -> None:
    raise IndexError(value[:0])


def _hangs(value: bytes) -> None:
    while time.process_time() < 60:
        pass


def _swells(value: bytes) -> None:
    assert bytearray(600_000_000)


@pytest.mark.parametrize(
    ("read", "why"), [(_crashes, "raised IndexError"), (_hangs, "took more than 1.0 CPU s"), (_swells, "memory")]
)
def test_a_planted_fault_is_found(read: object, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(value: bytes) -> None:
        if value != b"example":
            read(value)  # type: ignore[operator]  # one of the functions above

    monkeypatch.setattr(fuzzer, "TARGETS", {"planted": Target(planted, [b"example"])})
    _, (finding, *_) = fuzzer.fuzz(0.1, 1)
    assert why in finding.why
    assert finding.value != b"example"
