"""AUC through the labels role's step: any order, split, commit and restart give the same sums."""

import json
import random
from collections import Counter

import numpy as np

from shadowstream.config import Criterion
from shadowstream.labels.auc_blocks import differences
from shadowstream.labels.store import WaitingEntry
from shadowstream.protocol.signed_means import SignedSums
from tests.labels.test_step import HOUR_MS, REVISION, LabelsWorld

AUC = {"rate": "loss", "loss": "auc", "margin": 0.01}
HOURS = 4


def pairs_of(seed: int, size: int = 160) -> list[WaitingEntry]:
    dice = random.Random(seed)
    return [
        WaitingEntry(
            b"id %d" % at,
            dice.randrange(HOURS * HOUR_MS),
            f"scores/{dice.randrange(2)}",
            REVISION,
            str(dice.random()),
            dice.choice(["null", str(dice.random())]),
            truth=json.dumps(dice.random() < 0.2),
        )
        for at in range(size)
    ]


def expected(pairs: list[WaitingEntry]) -> dict[int, tuple[int, ...]]:
    """n and sums of each window, from all its pairs at once."""
    criterion = Criterion.model_validate(AUC)
    found = {}
    for start_ms in sorted({pair.time_ms // HOUR_MS * HOUR_MS for pair in pairs}):
        sums = SignedSums(criterion.threshold, 1.0)
        inside = [pair for pair in pairs if pair.time_ms // HOUR_MS * HOUR_MS == start_ms]
        sums.add(np.array(differences(inside)))
        found[start_ms] = (sums.n, *sums.sums)
    return found


def counted(world: LabelsWorld) -> tuple[dict[int, tuple[int, ...]], Counter[str]]:
    sums: dict[int, tuple[int, ...]] = {}
    outcomes: Counter[str] = Counter()
    for window in (window for record in world.stats for window in record["windows"]):
        outcomes.update(window["outcomes"])
        for mean in window["means"]:
            assert mean["path"] == "loss:auc"
            more = (mean["n"], *mean["sums"])
            before = sums.get(window["start_ms"], (0,) * len(more))
            sums[window["start_ms"]] = tuple(a + b for a, b in zip(before, more, strict=True))
    return sums, outcomes


def read(pairs: list[WaitingEntry], dice: random.Random, swap: bool) -> LabelsWorld:
    """Pairs and labels in any order, with commits and restarts; `swap`: every pair is of another task."""
    world = LabelsWorld(judge={"criteria": [AUC]})
    todo: list[tuple[str, WaitingEntry]] = [(kind, pair) for pair in pairs for kind in ("pair", "label")]
    for kind, pair in dice.sample(todo, len(todo)):
        if kind == "label":
            world.label(pair.id, 5, pair.truth)
        else:
            partition = int(pair.task[-1]) ^ swap
            hour = pair.time_ms / HOUR_MS
            world.scored(pair.id, hour, pair.production or "", pair.shadow or "", partition)
        if dice.random() < 0.1:
            world.commit()
            world = dice.choice([world, world.restarted()])
    return world


def test_any_order_split_and_restart_give_the_same_blocks() -> None:
    for seed in range(6):
        pairs, dice = pairs_of(seed), random.Random(f"order {seed}")
        world = read(pairs, dice, swap=seed % 2 == 1)
        world.commit()
        assert not counted(world)[0], "the labels of no window are complete before the end"
        world = world.restarted()
        world.leave_unread()
        world.end(0, 1)
        world.commit()
        found, outcomes = counted(world)
        assert found == expected(pairs)
        assert outcomes["label_ranked"] == len(pairs)
        assert not world.store.entries
        assert not [key for key, row in world.state.items() if key.startswith(b"label") and row]


def test_a_window_is_compared_once_all_its_labels_have_come() -> None:
    world = LabelsWorld(judge={"criteria": [AUC]})
    for at, (hour, answer) in enumerate([(0.1, "0.9"), (0.2, "0.1"), (1.1, "0.5")]):
        world.scored(b"%d" % at, hour, answer, answer)
        world.label(b"%d" % at, 2, json.dumps(at == 0))
    world.leave_unread()
    for hour, windows in ((10.5, []), (11.0, [0]), (12.0, [0])):
        world.scored(b"at %f" % hour, hour, "0.5", "0.5")
        world.commit()
        assert list(counted(world)[0]) == windows


def test_without_the_criterion_no_labelled_pair_is_kept() -> None:
    world = LabelsWorld()
    world.scored(b"a", 1)
    world.label(b"a", 2)
    world.commit()
    assert not world.store.entries
