"""The simulator's trials with a log of every pending set: each restart continues with what waited at its commit."""

from collections import Counter
from typing import Any

import pytest

from shadowstream.joiner.recovery import pending_log
from shadowstream.kafka.roles import joiner
from shadowstream.testing.simulation.on_broker.play import AT_LEAST_ONCE, ON_BROKER
from shadowstream.testing.simulation.run import Way, run_seed
from tests.joiner.recovery.test_pending_log import small

SEEDS = 7
WITHIN = 12
DYING = 15, 17
REPEATING = (26,)


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


@pytest.mark.parametrize(("way", "seeds"), [(ON_BROKER, DYING), (AT_LEAST_ONCE, REPEATING)])
def test_the_real_roles_read_the_log_again_whatever_dies(
    way: Way, seeds: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, found = joiner.read_logs, Counter[bool]()

    def counted(*of: Any) -> dict[str, dict[str, Any]]:
        records = read(*of)
        found.update(" base " in key for key in records)
        return records

    monkeypatch.setattr(joiner, "read_logs", counted)
    with small(DELTAS_MAX=5):
        assert [played.offences for seed in seeds if (played := run_seed(seed, way)).offences] == []
    assert (found[True] > 0) == (way is ON_BROKER), "without transactions there is no log"
