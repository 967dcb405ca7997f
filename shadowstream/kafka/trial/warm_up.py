"""The warm-up of a revision that begins while an earlier one has not got out of its own.

Inputs below S of the trial's beginning are warm-up for whoever answers them: what production wrote of them may lie
before everything that is read. A later revision goes on where the runner stood. Where that is below S, its first pairs
are warm-up as those of the earlier one would have been, up to the same S, by the same event time, and, once that is
known, by the same ends of production's outputs (E1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from shadowstream.config import Config
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.kafka.trial import start_log
from shadowstream.protocol import marks

WARM = frozenset((b"warm",))


def inherited(record: dict[str, Any], earlier: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], str | None]:
    """A start mark with the warm-up that it begins in, and the revision whose warm-up that is; None where it is none.

    >>> begins = lambda committed, end: [{"topic": "in", "partition": 0, "committed": committed, "end": end}]
    >>> new = {"revision": "b", "begins": begins(4, -1), "floor_ms": None}
    >>> found, of = inherited(new, [{"revision": "a", "begins": begins(0, 9), "floor_ms": 7}])
    >>> found["begins"][0]["end"], found["floor_ms"], of
    (9, 7, 'a')
    """
    begins, of, floors = [dict(one) for one in record["begins"]], None, [record["floor_ms"]]
    for start in earlier:
        ends = {(one["topic"], one["partition"]): one["end"] for one in start["begins"]}
        for one in begins:
            end = ends.get((one["topic"], one["partition"]), -1)
            if one["committed"] < end and one["end"] < end:
                one["end"], of = end, start["revision"]
        floors.append(start["floor_ms"])
    if of is None:
        return record, None
    known = [floor_ms for floor_ms in floors if floor_ms is not None]
    return {**record, "begins": begins, "floor_ms": max(known, default=None)}, of


def close_as(config: Config, writer: GuardedWriter, revision: str, of: str) -> bool:
    """Close the warm-up of a revision with the ends at which that of revision `of` has been; whether it was there."""
    with contextlib.closing(MarksReader(config, "runner", keys=WARM)) as reader:
        read = [record for _, record in reader.to_end() if record is not None]
    found = [record for record in read if record["kind"] == "warm" and record["revision"] == of]
    if not found:
        return False
    start_log.close_warm_up(config, writer, marks.mark("warm", revision, ends=found[0]["ends"]))
    return True
