"""A dimension of any number of values takes a bounded room, and the same values are kept whenever it is folded."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.compare.dimension_codes import OTHER
from shadowstream.judge.part_figures import by_value, folded, value_figures
from shadowstream.judge.step import JudgeStep
from tests.judge.stats_records import HOUR_MS, REVISION, stats
from tests.judge.trials_by_slice import TASK, hour, sliced

VALUES = st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3), max_size=4), max_size=6)


def figures_of(held: dict[str, int]) -> dict[str, int]:
    return value_figures(hour(0, {value: {"n": n, "s": 0, "missing": n} for value, n in held.items()}))


@given(VALUES, st.integers(1, 4))
def test_it_does_not_matter_when_values_are_folded(windows: list[dict[str, int]], values_max: int) -> None:
    at_once: Counter[str] = Counter()
    now_and_then: Counter[str] = Counter()
    for held in windows:
        at_once.update(figures_of(held))
        now_and_then.update(figures_of(held))
        now_and_then = folded(now_and_then, ["tenant"], values_max) or now_and_then
        assert len(by_value(now_and_then, ["tenant"], 99)) <= values_max + 1
    assert by_value(at_once, ["tenant"], values_max) == by_value(now_and_then, ["tenant"], values_max)


def test_a_key_as_a_dimension_does_not_grow_the_judges_state() -> None:
    step, sizes = JudgeStep(sliced(), REVISION, [TASK]), []
    for index in range(60):
        values: dict[str, Any] = {f"user-{index}-{i}": {"n": 1, "s": 0} for i in range(60)}
        step.step(0, index, stats(TASK, index + 1, hour(index, values), watermark_ms=(index + 1) * HOUR_MS))
        sizes.append(len(step.windows.figures))
    assert max(sizes) == sizes[5] < 2 * 66 + 20
    other = by_value(step.windows.figures, ["tenant"], 64)["tenant", OTHER]
    assert other["n"] == 60 * 60 - 64
