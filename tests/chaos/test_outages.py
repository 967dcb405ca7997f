"""A broker killed within a transaction, one whose disk is full, and a network that swallows everything: the work goes
on, exactly once.

`make chaos-broker` is the same with ten kills, and full disks, holes and hangs of up to a minute.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.conftest import PER_S, PER_S_LONG, SEED
from tests.chaos.full_disk import Refused
from tests.chaos.outages import AGAIN_MAX_S, on_tight_disk, on_tight_disk_if_any, play, through_proxy
from tests.conftest import Say

SLOW_MACHINE = 5
"""A time limit fails at so many times itself; the figure is printed."""


def test_a_killed_broker_full_disk_and_black_hole_keep_every_count(tmp_path: Path, say: Say) -> None:
    with on_tight_disk_if_any(tmp_path, PER_S, SEED, say) as (outages, disk):
        fills = [(disk, 2.0)] if disk else []
        ended = play(outages, kills=1, fills=fills, holes_s=[5.0], say=lambda _: None)
    say(ended.table())
    assert [one.kind for one in outages.happened] == ["kill", *["full"] * len(fills), "hole"]
    assert ended.report.right, ended.report.table()
    assert ended.slowest_s <= SLOW_MACHINE * AGAIN_MAX_S


@pytest.mark.long
def test_a_broker_hanging_beyond_the_watchdogs_limit_keeps_every_count(tmp_path: Path, say: Say) -> None:
    with through_proxy(tmp_path, PER_S_LONG, SEED) as outages:
        ended = play(outages, hangs_s=[35.0], say=lambda _: None)
    say(ended.table())
    assert ended.report.right, ended.report.table()
    assert ended.slowest_s <= SLOW_MACHINE * AGAIN_MAX_S


@pytest.mark.long
def test_half_of_all_partitions_on_a_full_disk_keep_every_count(tmp_path: Path, say: Say) -> None:
    """The broker lives on and leads the others: roles hear errors of some partitions, not silence."""
    with ExitStack() as stack:
        try:
            outages, disk = stack.enter_context(on_tight_disk(tmp_path, PER_S_LONG, SEED, second=True))
        except Refused as refused:
            pytest.skip(f"no disk that can be full: {refused}")
        ended = play(outages, fills=[(disk, 20.0)], say=lambda _: None)
    say(ended.table())
    assert [one.kind for one in outages.happened] == ["half"]
    assert ended.report.right, ended.report.table()
    assert ended.slowest_s <= SLOW_MACHINE * AGAIN_MAX_S
