"""Stored statistics judged again: under other criteria, or window by window to see how a verdict came about.

Pure: stats records in, verdicts out. With the criteria of the live judge the evidence is the same to the byte, for the
step is the same and the order of arrival changes nothing (`windows`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.windows.sequence_numbers import Sequence
from shadowstream.records import REVISION_BYTES

Record = Mapping[str, Any]
_COURSE = "course/0"


def widened(records: Iterable[Record], window_ms: int) -> Iterator[Record]:
    """The records with their windows put together to `window_ms` where they were stored narrower.

    Raises `ConfigError` where a stored window would lie in two. Stored windows that are wider stay as they are.
    """
    for record in records:
        moved = []
        for window in record["windows"]:
            start_ms = window["start_ms"]
            moved.append({**window, "start_ms": start_ms - start_ms % window_ms})
        yield {**record, "windows": moved}


def check_width(starts_ms: Iterable[int], window_ms: int) -> None:
    """Raise `ConfigError` where windows that start there cannot be put together to `window_ms`."""
    step_ms = math.gcd(*starts_ms)
    if step_ms and window_ms % step_ms and step_ms % window_ms:
        raise ConfigError(
            f"judge.window_ms: {window_ms} does not fit the stored windows, which start at multiples of {step_ms} ms: "
            "give a multiple of that; narrower ones need the source topics (`replay --from-topics`)"
        )


def course(
    config: Config, revision: str, records: Iterable[Record], points_max: int, attempt: int = 1
) -> Iterator[dict[str, Any]]:
    """Verdicts as windows close in event time, all tasks together and every correction in its own window.

    At most `points_max` of them, evenly spread, the last one with everything. What the ledgers say is left out: this
    shows how evidence has grown, not whether it may be trusted. `attempt`: the revision's number among those of its
    release, by which it is judged.
    """
    windows: dict[int, list[Record]] = {}
    seen: dict[str, Sequence] = {}
    revision_names = (revision, revision[: 2 * REVISION_BYTES])
    for record in records:
        if not seen.setdefault(record["task"], Sequence()).take(record["seq"]):
            continue
        for window in record["windows"]:
            if window["revision"] in revision_names:
                # All tasks together: which topic a window is of must stand in it.
                of_topic = {**window, "topic": record["task"].rpartition("/")[0]}
                windows.setdefault(window["start_ms"], []).append(of_topic)
    step = JudgeStep(config, revision, [_COURSE], attempt)
    every = max(1, math.ceil(len(windows) / points_max))
    for number, start_ms in enumerate(sorted(windows), start=1):
        step.step(0, number, _closing(revision, number, windows[start_ms], start_ms + config.judge.window_ms))
        if number % every == 0 or number == len(windows):
            yield step.evaluate(0).verdict


def _closing(revision: str, seq: int, windows: list[Record], watermark_ms: int) -> Record:
    """A stats record of one task that has ended everything below a watermark."""
    return {
        "task": _COURSE,
        "seq": seq,
        "revision": revision,
        "sources": [],
        "windows": windows,
        "ledgers": [{"ledger": 3, "place": _COURSE, "expected": 0, "counted": 0}],
        "pending": 0,
        "watermark_ms": watermark_ms,
        "idle": False,
        "complete": False,
    }
