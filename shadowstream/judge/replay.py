"""Judge stored statistics again: under other criteria, or window by window to see how a verdict came about.

Stats records in, verdicts out. With the criteria of the live judge the evidence is the same to the byte: the step is
the same, and the order of arrival changes nothing (`event_windows`).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.windows import sequence_numbers
from shadowstream.judge.windows.sub_windows import widened as of_window
from shadowstream.records import REVISION_BYTES

Record = Mapping[str, Any]
COURSE = "course/0"
"""The task that has all windows of a course."""


def widened(records: Iterable[Record], window_ms: int) -> Iterator[Record]:
    """Merge the stored windows of each record to `window_ms` where they are narrower.

    Raises `ConfigError` if a stored window would lie in two. Wider stored windows stay as they are.
    """
    for record in records:
        yield {**record, "windows": [of_window(window, window_ms) for window in record["windows"]]}


def check_width(starts_ms: Iterable[int], window_ms: int) -> None:
    """Raise `ConfigError` if windows with these starts cannot be merged to `window_ms`."""
    step_ms = math.gcd(*starts_ms)
    if step_ms and window_ms % step_ms and step_ms % window_ms:
        raise ConfigError(
            f"judge.window_ms: {window_ms} does not fit the stored windows, which start at multiples of {step_ms} ms: "
            "give a multiple of that; narrower ones need the source topics (`replay --from-topics`)"
        )


def course(
    config: Config, revision: str, records: Iterable[Record], points_max: int, attempt: int = 1
) -> Iterator[dict[str, Any]]:
    """Yield verdicts as windows close in event time, all tasks together and each correction in its own window.

    There are at most `points_max`, evenly spread; the last one has all windows. Ledgers are left out: the course shows
    how evidence grew, not whether it can be trusted. `attempt`: number of the revision among those of its release,
    which sets its level.
    """
    windows: dict[int, list[Record]] = {}
    seen: dict[str, sequence_numbers.Sequence] = {}
    revision_names = (revision, revision[: 2 * REVISION_BYTES])
    for record in records:
        if not seen.setdefault(record["task"], sequence_numbers.Sequence()).take(record["seq"]):
            continue
        for window in record["windows"]:
            if window["revision"] in revision_names:
                # The windows of all tasks go into one task, so each must name its topic.
                of_topic = {**window, "topic": record["task"].rpartition("/")[0]}
                windows.setdefault(window["start_ms"], []).append(of_topic)
    step = JudgeStep(config, revision, [COURSE], attempt)
    every = max(1, math.ceil(len(windows) / points_max))
    for number, start_ms in enumerate(sorted(windows), start=1):
        step.step(0, number, closing(revision, number, windows[start_ms], start_ms + config.judge.window_ms))
        if number % every == 0 or number == len(windows):
            yield step.verdict(0)


def closing(revision: str, seq: int, windows: Sequence[Record], watermark_ms: int) -> Record:
    """Build a stats record of one task that has resolved everything below a watermark."""
    return {
        "task": COURSE,
        "seq": seq,
        "revision": revision,
        "sources": [],
        "windows": windows,
        "ledgers": [{"ledger": 3, "place": COURSE, "expected": 0, "counted": 0}],
        "pending": 0,
        "watermark_ms": watermark_ms,
        "idle": False,
        "complete": False,
    }
