"""Whole trials of the simulator leave the same records with the kernel as without it, to the byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shadowstream.native.library import Kernel
from shadowstream.testing.simulation.check import Verdict
from shadowstream.testing.simulation.generator import history
from shadowstream.testing.simulation.history import History
from shadowstream.testing.simulation.play import Trial, played, played_shedding, played_spilling
from tests.native.oracle import kernel_at

WAYS = {"plain": played, "shedding": played_shedding, "spilling": played_spilling}
SEEDS = (8, 26, 70, 116, 183, 355)
SEEDS_LONG = 500
Way = Callable[[History], Trial]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions of the kernel that were called."""
    made: list[str] = []
    for name in ("walk", "codes", "hashes"):
        before = getattr(Kernel, name)

        def noted(self: Kernel, *given: object, _name: str = name, _before: Callable[..., object] = before) -> object:
            made.append(_name)
            return _before(self, *given)

        monkeypatch.setattr(Kernel, name, noted)
    return made


def left_by(seed: int, way: Way) -> tuple[object, ...]:
    """All that the joiners of a trial have committed, and what is wrong with it."""
    trial = way(history(seed))
    stored = trial.stored
    offences = [*trial.offences(), *Verdict(trial).offences]
    return stored.commits, stored.states, stored.stats, stored.diff, offences


def differing(seeds: range | tuple[int, ...], way: Way, library: Path) -> list[int]:
    """The seeds whose trials differ between both paths, or have an offence."""
    found = []
    for seed in seeds:
        both = []
        for path in (None, library):
            with kernel_at(path):
                both.append(left_by(seed, way))
        if both[0] != both[1] or both[0][-1]:
            found.append(seed)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_trials_leave_the_same_on_both_paths(way: str, built: Path, calls: list[str]) -> None:
    assert differing(SEEDS, WAYS[way], built) == []
    assert "hashes" in calls


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_five_hundred_trials_leave_the_same_on_both_paths(way: str, built: Path) -> None:
    assert differing(range(SEEDS_LONG), WAYS[way], built) == []
