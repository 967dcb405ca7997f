"""Topics that change in the midst of simulated trials, by the real roles on the broker in memory."""

from itertools import chain

import pytest

from shadowstream.kafka.trial.topic_changes import TopicChanges
from shadowstream.testing.simulation.on_broker.changes import CHANGING
from shadowstream.testing.simulation.run import results

SEEDS, SEEDS_LONG = 10, 200
LIKELY = 28
"""A seed whose trial shows both, with most hash seeds: it is played first."""


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(SEEDS_LONG, marks=pytest.mark.long)])
def test_roles_stop_and_records_in_unread_partitions_blame_nobody(seeds: int) -> None:
    found = list(results(0, seeds, 1, CHANGING))
    assert [(one.seed, one.offences) for one in found if one.offences] == []
    befallen = {name for one in found for name in one.befallen}
    assert befallen >= {"input grew", "input made again", "output grew", "output made again"}


def test_roles_that_do_not_look_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TopicChanges, "changes", lambda self: [])
    wanted = {"has not stopped", "said, and not expected"}
    for one in chain(results(LIKELY, 1, 1, CHANGING), results(0, SEEDS_LONG, 1, CHANGING)):
        wanted -= {what for what in wanted if any(what in offence for offence in one.offences)}
        if not wanted:
            return
    pytest.fail(f"never said of {SEEDS_LONG} seeds: {wanted}")
