"""Make a failing history small: leave out actions and inputs for as long as it still fails."""

from collections.abc import Callable

from shadowstream.testing.simulation.history import History

TRIES_MAX = 1_500


def shrunk(history: History, fails: Callable[[History], bool], tries: int = TRIES_MAX) -> History:
    """Delta debugging: halves first, then smaller parts, of the actions and then of the inputs.

    >>> from shadowstream.testing.simulation.generator import history
    >>> len(shrunk(history(1), lambda one: len(one.actions) >= 3).actions)
    3
    """
    left = [tries]

    def checked(one: History) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(one)

    def without_actions(one: History, low: int, n: int) -> History:
        return one.without(actions=frozenset(range(low, low + n)))

    def without_inputs(one: History, low: int, n: int) -> History:
        return one.without(inputs=frozenset(one.number for one in one.inputs[low : low + n]))

    while True:
        before = history
        history = _fewer(history, len(history.actions), without_actions, checked)
        ordinary = sum(one.round == 0 for one in history.inputs)  # sentinels stand last, and stay
        history = _fewer(history, ordinary, without_inputs, checked)
        if history == before or left[0] <= 0:
            return history


def _fewer(
    history: History, size: int, without: Callable[[History, int, int], History], fails: Callable[[History], bool]
) -> History:
    part = max(1, size // 2)
    while True:
        low = 0
        while low < size:
            smaller = without(history, low, min(part, size - low))
            if fails(smaller):
                history, size = smaller, size - min(part, size - low)
            else:
                low += part
        if part == 1:
            return history
        part //= 2
