"""Restarts: whatever the histories of both sides, their interleaving and the moments of a crash, the outcomes are those
that the kinds of the inputs ask for, each once, and no ledger has a remainder."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.config import Config
from shadowstream.protocol import marks
from shadowstream.records import Side
from tests.joiner.joiner_world import WINDOW_MS, config
from tests.joiner.whole_trial import KINDS, RULES, Trial

BY_KEY = config(bounded=True, compare={"match_sample": 1, "rules": RULES})
BY_COORDINATE = config(
    bounded=True, compare={"match_sample": 1, "rules": RULES}, identity={"kind": "coordinate", "header": "origin"}
)
CRASHES = ("crash", "torn")

ACTIONS = (
    *("produce", "run", "read_production", "read_shadow") * 3,
    *("commit_production", "commit_runner", "poll", "observe", "commit") * 2,
    *("crash_runner", "crash", "torn", "freeze"),
)
actions = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5), st.integers(1, 8))
histories = st.lists(actions, min_size=20, max_size=60)
sides = st.lists(st.lists(st.sampled_from(sorted(KINDS)), min_size=3, max_size=12), min_size=1, max_size=3)


def do(trial: Trial, action: tuple[str, int, int]) -> None:
    """One action; its first number chooses a partition, its second says how many."""
    name, which, n = action
    partition = which % trial.partitions
    if name in ("produce", "run"):
        getattr(trial, name)(trial.inputs[which % len(trial.inputs)], n)
    elif name.startswith("read_"):
        trial.read(Side[name.removeprefix("read_").upper()], partition, n)
    elif name == "poll":
        trial.poll(n)
    elif name == "freeze":
        # The candidate's newest transactions are committed, and their markers have not landed.
        place = trial.sides[Side.SHADOW][partition]
        if place in trial.frozen:
            del trial.frozen[place]
        else:
            trial.frozen[place] = trial.end(place)
    elif name in CRASHES:
        if name == "torn":
            trial.joiner.prepare(trial.now_ms)
        trial.start_joiner()
        trial.observe()
    else:
        getattr(trial, name)()


def outcomes_of(settings: Config, kinds: list[list[str]], outputs: int, history: list[tuple[str, int, int]]) -> Trial:
    """A trial that has gone through a history and then to its end."""
    trial = Trial(settings, kinds, outputs).begin()
    for action in history:
        do(trial, action)
    trial.finish()
    return trial


def assert_whole(trial: Trial) -> None:
    """Every outcome as the kinds say, every ledger balanced, every sequence number once."""
    assert trial.outcomes() == trial.expected()
    assert trial.remainders() == []
    for partition in range(trial.partitions):
        records = [record for record in trial.stats if record["task"] == f"out/{partition}"]
        assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
        assert (records[-1]["complete"], records[-1]["pending"]) == (True, 0)
    rows = [row["pair_id"] for row in trial.diff]
    assert len(rows) == len(set(rows)), "a record ended twice"


@given(kinds=sides, outputs=st.integers(1, 2), history=histories, by_key=st.booleans())
@settings(max_examples=60)
def test_restarts_at_any_point_change_no_outcome_and_no_last_word(
    kinds: list[list[str]], outputs: int, history: list[tuple[str, int, int]], by_key: bool
) -> None:
    settings = BY_KEY if by_key else BY_COORDINATE
    with_restarts = outcomes_of(settings, kinds, outputs, history)
    without = outcomes_of(settings, kinds, outputs, [action for action in history if action[0] not in CRASHES])
    assert_whole(with_restarts)
    assert_whole(without)
    assert with_restarts.last_words() == without.last_words()


def random_history(seed: int, length: int) -> tuple[list[list[str]], list[tuple[str, int, int]]]:
    """Kinds of two input partitions, every kind among them, and a history without crashes."""
    draw = random.Random(seed)
    kinds = [draw.sample(sorted(KINDS), len(KINDS)), draw.choices(sorted(KINDS), k=15)]
    names = [name for name in ACTIONS if name not in CRASHES]
    return kinds, [(draw.choice(names), draw.randint(0, 5), draw.randint(1, 8)) for _ in range(length)]


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("settings", [BY_KEY, BY_COORDINATE], ids=["key", "coordinate"])
def test_a_restart_at_each_single_point_of_one_history_changes_nothing(settings: Config, crash: str) -> None:
    kinds, history = random_history(seed=5, length=60)
    expected = outcomes_of(settings, kinds, 2, history)
    assert_whole(expected)
    pending = 0
    # A crash at each even place, a torn commit at each odd one.
    for point in range(crash == "torn", len(history) + 1, 2):
        trial = outcomes_of(settings, kinds, 2, [*history[:point], (crash, 0, 0), *history[point:]])
        assert_whole(trial)
        assert trial.last_words() == expected.last_words()
        pending += sum(record["pending"] > 0 for record in trial.stats)
    assert pending > len(history) / 2, "hardly anything was pending at any commit: this history proves nothing"


@given(kinds=sides, history=histories, below=st.integers(0, 6))
@settings(max_examples=25)
def test_a_restart_changes_nothing_in_a_trial_with_warm_up(
    kinds: list[list[str]], history: list[tuple[str, int, int]], below: int
) -> None:
    settings = BY_KEY.model_copy(update={"start": "production-group"})

    def with_warm_up(actions: list[tuple[str, int, int]]) -> Trial:
        trial = Trial(settings, kinds)
        trial.start(warm_below=below)
        trial.start_runner()
        trial.start_joiner()
        for number, action in enumerate(actions):
            # E1 lies wherever production's outputs happen to end once it is done with the inputs below S.
            if number == len(actions) // 2:
                for place in trial.inputs:
                    trial.produce(place, max(0, below - trial.produced[place]))
                trial.mark("warm", ends=marks.ends_field({place: trial.end(place) for place in trial.sides[0]}))
            do(trial, action)
        trial.finish()
        return trial

    # The end of the warm-up stands at the same place in both histories, so crashes are idle actions and not left out.
    without = with_warm_up([("observe", 0, 0) if action[0] in CRASHES else action for action in history])
    with_restarts = with_warm_up(history)
    assert with_restarts.outcomes() == without.outcomes()
    assert with_restarts.last_words() == without.last_words()
    assert with_restarts.remainders() == without.remainders() == []


UNKNOWN_COMMITS = {"outputs": ["out"], "group": "prod"}
NO_GROUP = {"outputs": ["out"]}


@pytest.mark.parametrize("production", [UNKNOWN_COMMITS, NO_GROUP], ids=["unknown commits", "no group"])
@given(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=3, max_size=12), history=histories)
@settings(max_examples=25)
def test_a_restart_changes_nothing_where_time_decides_what_is_extra(
    production: dict[str, Any], kinds: list[str], history: list[tuple[str, int, int]]
) -> None:
    """Both sides are in the order of time, and pairs beyond the grace close what came before them."""
    settings = config(production=production, grace_ms=600, compare={"match_sample": 1, "rules": RULES})
    trial = Trial(settings, [[*kinds, "same", "same", "same"]]).begin()
    for action in history:
        do(trial, action)
    trial.drain()
    assert trial.outcomes() == trial.expected()
    assert trial.remainders() == []


@given(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=5, max_size=20), history=histories)
@settings(max_examples=35)
def test_nothing_is_reported_of_a_window_that_the_task_has_passed(
    kinds: list[str], history: list[tuple[str, int, int]]
) -> None:
    # One input partition, so that both sides are in the order of time and nothing may come late.
    trial = outcomes_of(BY_KEY, [kinds], 1, history)
    passed = -1
    for record in trial.stats:
        for window in record["windows"]:
            assert window["start_ms"] + WINDOW_MS > passed
        passed = max(passed, record["watermark_ms"] if record["watermark_ms"] is not None else -1)


@pytest.mark.parametrize("crash", [[], [("crash", 0, 0)]], ids=["straight", "restarted"])
def test_a_shadow_record_hidden_from_the_joiner_leaves_remainder_one(crash: list[tuple[str, int, int]]) -> None:
    kinds, history = random_history(seed=7, length=60)
    trial = Trial(BY_KEY, kinds).begin()
    for action in history:
        do(trial, action)
        written = [o for o, record in enumerate(trial.logs[trial.sides[Side.SHADOW][0]]) if record]
        if not trial.hidden and written and trial.positions[trial.sides[Side.SHADOW][0]] <= written[-1]:
            trial.hidden.add((trial.sides[Side.SHADOW][0], written[-1]))
    for action in crash:
        do(trial, action)
    trial.finish()
    assert trial.hidden
    assert [(ledger, rest) for ledger, _, rest in trial.remainders()] == [(2, 1)]


def one_less(counter: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The same mark with one counter of input partition 0 lower by one."""

    def tamper(mark: dict[str, Any]) -> dict[str, Any]:
        counters = mark["counters"]
        if mark["input_partition"] == 0 and counters["read"] == 15:
            if counter == "written":
                counters["written"]["out/0"] -= 1
            elif counter == "error":
                counters["absent"]["error"] -= 1
            else:
                counters[counter] -= 1
        return mark

    return tamper


@pytest.mark.parametrize(
    ("counter", "remainders"),
    [
        ("with_output", [(1, "in/0", 1)]),
        ("silent", [(1, "in/0", 1)]),
        ("error", [(1, "in/0", 1)]),
        ("written", [(2, "in/0 -> shadow.t.out.out/0", -1)]),
        # It stands against two other paths: the runner's classes, and its windows as the joiner added them up.
        ("read", [(1, "in/0", -1), (1, "in/0 by window", -1)]),
    ],
)
def test_a_marks_counter_lower_by_one_leaves_remainder_one(
    counter: str, remainders: list[tuple[int, str, int]]
) -> None:
    kinds, history = random_history(seed=7, length=60)
    trial = Trial(BY_KEY, kinds).begin()
    trial.tamper = one_less(counter)
    for action in history:
        do(trial, action)
    trial.finish()
    assert trial.remainders() == remainders
