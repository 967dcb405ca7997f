"""Sub-windows: twelfths of a window of event time, by which detectors see a change before the window closes.

Stats records count by sub-window the outcomes that the joiner counts at a time of their own. Inputs and costs come for
whole windows, from the runner's marks; fields, checks, sums and slices would make the records large.
"""

from shadowstream.protocol.count_names import EXPECTED, EXPECTED_ALSO, JOINT, TWIN
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import SUB_WINDOWS

_OUTCOMES = frozenset(Outcome)
_PREFIXES = (TWIN, JOINT, EXPECTED, EXPECTED_ALSO)


def is_counted(name: str) -> bool:
    """Return whether stats records count an outcome by sub-window.

    >>> is_counted("mismatch"), is_counted("expected:round"), is_counted("input"), is_counted("field/score")
    (True, True, False, False)
    """
    return name in _OUTCOMES or name.startswith(_PREFIXES)


def index_of(time_ms: int, window_ms: int) -> int:
    """Return the sub-window that holds an event time, counted from the epoch: `SUB_WINDOWS` to a window.

    >>> index_of(3_600_000 + 299_999, 3_600_000), index_of(-1, 3_600_000)
    (12, -1)
    """
    return time_ms * SUB_WINDOWS // window_ms


def end_of(index: int, window_ms: int) -> int:
    """Return the event time at which a sub-window ends.

    >>> end_of(0, 100), index_of(8, 100), index_of(9, 100)
    (9, 0, 1)
    """
    return -(-(index + 1) * window_ms // SUB_WINDOWS)
