"""A state is read whole or refused: foreign commits, commits that have gone, unknown forms, records lost unread."""

import pytest

from shadowstream.errors import ConfigError
from shadowstream.joiner.recovery.checkpoint import Checkpoint, decode, encode
from shadowstream.joiner.recovery.restore import Committed, check_unknown, checkpoints_of
from shadowstream.joiner.recovery.task_commit import MARKS_AGAIN_MAX
from shadowstream.records import Partition
from tests.joiner.joiner_world import REVISION, World
from tests.joiner.outcome_cases import P, S, begun, done, play, restart, runs

PRODUCTION, SHADOW = Partition("out", 0), Partition("shadow.t.out.out", 0)


def points(**offsets: tuple[int, str]) -> tuple[Checkpoint | None, ...]:
    """Of a task whose sides have committed these offsets with these metadata; nothing where left out."""
    found = {
        place: Committed(place, *offsets.get(side, (-1, "")))
        for side, place in (("production", PRODUCTION), ("shadow", SHADOW))
    }
    return checkpoints_of("out/0", [PRODUCTION, SHADOW], found)


def meta(sequence: int = 3, high: int = 9, pending: tuple[int, ...] = ()) -> str:
    return encode(Checkpoint(sequence, high, frozenset(pending)))


def test_commits_of_one_transaction_are_taken_and_no_commit_is_no_state() -> None:
    one, other = points(production=(4, meta(pending=(4, 7))), shadow=(9, meta()))
    assert one is not None
    assert other is not None
    assert (one.sequence, set(one.pending), other.high) == (3, {4, 7}, 9)
    assert points() == (None, None)


@pytest.mark.parametrize("text", ["", "9abc", "hello", "copy1"])
def test_a_foreign_commit_is_refused_with_its_place_and_what_to_do(text: str) -> None:
    with pytest.raises(ConfigError, match=r"out/0: commit metadata .* --reset-offsets\) or a newer release has"):
        points(production=(4, text), shadow=(9, meta()))


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ({"production": (8, meta(pending=(4,))), "shadow": (9, meta())}, "needs a lower one"),
        ({"production": (9, meta())}, r"not of one transaction \(out/0 3, shadow.t.out.out/0 nothing\)"),
        ({"production": (9, meta(3)), "shadow": (9, meta(4))}, "not of one transaction"),
    ],
    ids=["an offset set back or forth", "of only one side", "of two transactions"],
)
def test_commits_of_two_transactions_are_refused(offsets: dict[str, tuple[int, str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        points(**offsets)


def test_no_commit_although_statistics_were_written_is_refused() -> None:
    with pytest.raises(ConfigError, match="counting anew would count twice"):
        check_unknown("out/0", has_record=True)
    check_unknown("out/0", has_record=False)


def test_records_that_retention_deleted_unread_leave_a_remainder_for_ever() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}])
    play(world, [P("b"), P("c"), P("d")])
    world.commits[PRODUCTION] = (3, world.commits[PRODUCTION][1])  # as the edge does: not below the log's start
    lost = (3, "out/0 deleted before it was read", 2)
    for steps in ([S("d"), P("e"), S("e")], [P("f"), S("f")]):
        play(world, [restart, *steps, World.turn], lost=True)
        assert world.remainders() == [lost]


def test_an_idle_task_commits_so_that_a_restart_rereads_few_marks() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}])
    world.turn()
    before = world.commits[PRODUCTION]
    for _ in range(MARKS_AGAIN_MAX - 1):
        done(0)(world)
    world.turn()
    assert world.commits[PRODUCTION] == before
    done(0)(world)
    world.turn()
    assert decode(world.commits[PRODUCTION][1]).progress == len(world.progress)
    stats = len(world.stats)
    world.turn()
    assert len(world.stats) == stats, "once"


def test_a_restart_reads_only_needed_marks_and_decides_the_same() -> None:
    world = begun()
    for n in range(5):
        runs(REVISION, 2 * n, 2 * n + 2)(world)
        done(2 * n + 2)(world)
    play(world, [P("a"), S("a"), {"match": 1}])
    read = world.marks_read
    assert read == len(world.progress) == 11
    restart(world)
    task = world.joiner.tasks[PRODUCTION]
    assert world.joiner.progress.start is not None
    assert world.joiner.progress.position == read
    assert task.completeness.passed.offsets == {world.inputs[0]: 10}
    assert decode(world.commits[PRODUCTION][1]).progress == read, "no mark was to be read again"
    P("b")(world)
    world.production_committed[world.inputs[0]] = 10
    world.turn(2)
    assert world.last_words()["out/0/1"]["outcome"] == "missing"
