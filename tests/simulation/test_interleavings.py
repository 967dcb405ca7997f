"""One history, its sides read in many orders, with restarts anywhere in between: one last word on every record."""

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

import pytest

from shadowstream.testing.simulation.check import Verdict
from shadowstream.testing.simulation.generator import history, setup_of
from shadowstream.testing.simulation.history import IDENTITIES, Action, History, Setup
from shadowstream.testing.simulation.play import Trial

INTERLEAVINGS, INTERLEAVINGS_LONG = 12, 400
MANY = pytest.mark.parametrize(
    "interleavings", [INTERLEAVINGS, pytest.param(INTERLEAVINGS_LONG, marks=pytest.mark.long)]
)
READING = ("turn", "read_production", "read_shadow", "poll", "observe", "commit", "fetch", "wait")
UPSETS = ("crash", "torn", "unheard", "rebalance")
WORLD = ("arrive", "produce", "run", "live", "commit_production", "commit_runner", "crash_runner")

Words = dict[str, tuple[str, str, int]]
Triples = set[tuple[str | None, str | None, str]]


def fits(setup: Setup, identity: str, *, late: bool) -> bool:
    """A trial of some partitions in which marks decide, or one in which production is late."""
    special = setup.many or setup.twin or setup.retention or setup.warm or setup.replays or setup.adopted
    clocked = (setup.commits, setup.late) == ("unknown", True) if late else setup.commits == "after_output"
    special = special or setup.bounded is late
    # How many records are explained by what nobody could read does not depend on the order, which of them does.
    return not special and clocked and setup.identity == identity and setup.outputs > 1


def all_read(one: History) -> bool:
    """Whether every output can be read."""
    broken = any(answer.kind == "broken" for o in one.inputs for side in o.answers for answer in side)
    return not any(o.lost for o in one.inputs) and not (broken and one.setup.identity == "id by path")


def bases(identity: str, *, late: bool = False) -> Iterator[History]:
    """Inputs of such seeds, and what the world does with them."""
    for seed in range(IDENTITIES.index(identity), 100_000, len(IDENTITIES)):
        if not fits(setup_of(seed, Random(seed)), identity, late=late):
            continue
        one = history(seed)
        if not (all_read(one) and 18 < len(one.inputs) < 30 + 20 * late):
            continue
        # A time that is clamped depends on when it is read.
        plain = one.without(inputs=frozenset(o.number for o in one.inputs if o.poison))
        if late:
            yield History(plain.setup, plain.inputs, (Action("live", 0, 1),) * 20)
            continue
        draw = Random(1)
        actions = [Action(draw.choice(WORLD), draw.randint(0, 7), draw.randint(1, 4)) for _ in range(15)]
        yield History(plain.setup, plain.inputs, tuple(actions))


def base(identity: str) -> History:
    """The first of them."""
    return next(bases(identity))


def interleaved(one: History, number: int) -> History:
    """The same world, another joiner: reading, looking and dying at other moments."""
    draw = Random(number)
    actions: list[Action] = []
    for action in one.actions:
        actions.append(action)
        for _ in range(draw.choice((0, 1, 1, 2))):
            names = UPSETS if draw.random() < 0.15 else READING
            actions.append(Action(draw.choice(names), draw.randint(0, 7), draw.randint(1, 8)))
    return History(one.setup, one.inputs, tuple(actions))


def place(record: dict[str, Any] | None) -> str | None:
    return f"{record['topic']}/{record['partition']}/{record['offset']}" if record else None


def last_words(trial: Trial) -> tuple[Words, Triples]:
    """By pair id, and as triples, which are the same whichever of a pair was said first."""
    last = {row["pair_id"]: row for row in trial.stored.rows()}
    words = {pair_id: (row["outcome"], row["revision"], row["time_ms"]) for pair_id, row in last.items()}
    triples = {(place(row["production"]), place(row["shadow"]), row["outcome"]) for row in last.values()}
    return words, triples


@MANY
@pytest.mark.parametrize("identity", IDENTITIES)
def test_the_last_word_per_pair_id_is_the_same_whatever_the_interleaving(identity: str, interleavings: int) -> None:
    one = base(identity)
    trial = Trial(one).play()
    assert Verdict(trial).offences == []
    expected = last_words(trial)
    assert len(expected[0]) > 12
    for number in range(interleavings):
        assert last_words(Trial(interleaved(one, number)).play()) == expected, f"interleaving {number}"


@MANY
@pytest.mark.parametrize("identity", [identity for identity in IDENTITIES if identity != "occurrence"])
def test_where_production_is_late_the_corrected_words_are_the_same(identity: str, interleavings: int) -> None:
    corrected = set()
    for one in islice(bases(identity, late=True), 5):
        expected = last_words(Trial(one).play())[1]
        for number in range(max(10, interleavings // 8)):
            trial = Trial(interleaved(one, number)).play()
            assert last_words(trial)[1] == expected, f"interleaving {number}"
            corrected |= {row["pair_id"] for row in trial.stored.rows() if row["late"]}
        if corrected:
            return
    pytest.fail("nothing was ever said too early: these histories prove nothing")
