"""Sub-windows of a column of event times are those of each time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.accounting.task_windows import windows_of
from shadowstream.protocol.sub_windows import index_of
from shadowstream.records import SUB_WINDOWS


@given(st.lists(st.integers(-(2**62), 2**62), max_size=20), st.integers(1, 10**9))
def test_the_windows_of_times_are_those_of_each(times: list[int], window_ms: int) -> None:
    windows, numbers = windows_of(np.array(times, np.int64), window_ms)
    found = [window * SUB_WINDOWS + number for window, number in zip(windows.tolist(), numbers.tolist(), strict=True)]
    assert found == [index_of(time_ms, window_ms) for time_ms in times]
