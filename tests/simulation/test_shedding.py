"""The simulator's trials with tasks that shed identities in the midst of it: each is paired as a whole or evicted."""

from typing import Any

import pytest

from shadowstream.joiner.intake.side import SideIntake
from shadowstream.joiner.matching.load_shedding import LoadShedder
from shadowstream.joiner.outcomes.deferred import Backlog
from shadowstream.joiner.outcomes.late_records import LateRecords
from shadowstream.joiner.outcomes.resolve import OutcomeResolver
from shadowstream.records import Side
from shadowstream.testing.simulation.__main__ import main
from shadowstream.testing.simulation.run import SHEDDING, run_seed
from tests.simulation.test_planted_faults import Planted, does_nothing, plant

SEEDS = 30
SEEDS_LONG = 3_000
WITHIN = 60


def wrong(seeds: int, capsys: pytest.CaptureFixture[str]) -> str | None:
    """What is printed where something is wrong."""
    code = main(["--shed", "--seeds", str(seeds), "--processes", "1" if seeds == SEEDS else "2"])
    text = capsys.readouterr().out
    print(text.splitlines()[-1])
    return text if code else None


def test_every_identity_is_paired_as_ever_or_evicted_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert wrong(SEEDS, capsys) is None


@pytest.mark.long
def test_three_thousand_seeds_show_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert wrong(SEEDS_LONG, capsys) is None


def on_one_side_only(real: Any) -> Any:
    """A partner that comes later waits all the same."""

    def separated(self: SideIntake, *rest: Any) -> Any:
        shedder = self._parts.shedder
        level = shedder.level
        shedder.level = 0 if self._side is Side.SHADOW else level
        try:
            return real(self, *rest)
        finally:
            shedder.level = level

    return separated


def beside_the_outcome(real: Any) -> Any:
    """What was said of a partner stays: it is missing, and the record that came for it evicted."""

    def evict(self: OutcomeResolver, end: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LateRecords, "take", lambda *_: None)
            real(self, end)

    return evict


FAULTS: dict[str, tuple[Any, str, Planted]] = {
    "the level is forgotten at a restart": (LoadShedder, "restore", does_nothing),
    "one side sheds": (SideIntake, "_separated", on_one_side_only),
    # What is put off until a later commit is pending in none.
    "what is put off is forgotten": (Backlog, "offsets", lambda real: lambda *_: iter(())),
    "nothing is taken back": (OutcomeResolver, "evict", beside_the_outcome),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_simulator_sees_shedding_that_tears_identities_apart(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(FAULTS[fault], monkeypatch)
    assert any(run_seed(seed, SHEDDING).offences for seed in range(WITHIN))
