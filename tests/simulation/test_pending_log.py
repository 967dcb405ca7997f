"""The simulator's trials with a log of every pending set: each restart continues with what waited at its commit."""

from typing import Any

import pytest

from shadowstream.joiner.recovery import pending_log
from shadowstream.testing.simulation.run import run_seed
from tests.joiner.recovery.test_pending_log import small

SEEDS = 12
WITHIN = 12


def test_a_log_of_every_pending_set_changes_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    restored, used = pending_log.restored, list[int]()

    def counted(*of: Any) -> set[int]:
        used.append(of[2].deltas)
        return restored(*of)

    monkeypatch.setattr(pending_log, "restored", counted)
    with small(DELTAS_MAX=5):
        offences = [(seed, played.offences) for seed in range(SEEDS) if (played := run_seed(seed)).offences]
    assert offences == []
    assert sum(deltas > 0 for deltas in used) > 5


def test_the_simulator_sees_a_log_that_forgets_what_has_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    change = pending_log._change
    monkeypatch.setattr(pending_log, "_change", lambda *of: change(*of)._replace(entered=pending_log._array(of[2])[:0]))
    with small(DELTAS_MAX=5):
        assert any(run_seed(seed).offences for seed in range(WITHIN))
