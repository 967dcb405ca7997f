"""Topics that change in the midst of simulated trials, by the real roles on the broker in memory."""

from __future__ import annotations

import pytest

from shadowstream.kafka.topic_changes import TopicChanges
from shadowstream.testing.simulation.on_broker.changes import CHANGING
from shadowstream.testing.simulation.run import results

SEEDS = 40


def test_the_roles_stop_and_nobody_is_blamed_for_what_lies_where_nobody_reads() -> None:
    found = list(results(0, SEEDS, 1, CHANGING))
    assert [(one.seed, one.offences) for one in found if one.offences] == []
    befallen = {name for one in found for name in one.befallen}
    assert befallen >= {"input grew", "input made again", "output grew", "output made again"}


def test_roles_that_do_not_look_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TopicChanges, "look", lambda self: [])
    offences = [offence for one in results(0, SEEDS, 1, CHANGING) for offence in one.offences]
    assert any("has not stopped" in offence for offence in offences)
    assert any("said, and not expected" in offence for offence in offences)
