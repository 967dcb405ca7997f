"""The clocks of one task with what feeds them: marks one by one, positions and watermarks set by hand."""

from typing import Any

from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import MarksLog, PassedMarks
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.joiner.task_topics import places_of
from shadowstream.protocol import marks
from shadowstream.protocol.marks import Counters
from shadowstream.records import Partition, Side
from tests.joiner.joiner_world import REVISION, config

IN, OTHER = Partition("in", 0), Partition("in", 1)
OUT, SHADOW, TWIN = Partition("out", 0), Partition("shadow.t.out.out", 0), Partition("twin", 0)
SECOND_MS = 1_000
GRACE_MS = 30 * SECOND_MS


class CompletenessWorld:
    """`settings` as in the YAML file; without `started` no start mark has been read."""

    def __init__(self, started: bool = True, **settings: Any) -> None:
        self.config = config(**{"grace_ms": GRACE_MS} | settings)
        self.progress = MarksLog(REVISION)
        places = places_of(self.config, "out", 0, ())
        self.passed = PassedMarks(places[Side.SHADOW])
        self.completeness = Completeness(self.config, self.progress, self.passed, places)
        if started:
            self.start()

    def start(self, warm_below: int = -1, bounds: tuple[int, int] = (-1, -1), floor_ms: int | None = None) -> None:
        begins = [
            {"topic": "in", "partition": p, "committed": 0, "end": warm_below, "bound": bounds[p]} for p in (0, 1)
        ]
        self.progress.add(marks.mark("start", REVISION, begins=begins, floor_ms=floor_ms))

    def done(self, of: Partition, offset: int, end: int, kind: str = "done") -> None:
        fields = {"ends": marks.ends_field({SHADOW: end}), "counters": Counters().record(), "to_offset": offset}
        mark = marks.mark(kind, REVISION, input_topic=of.topic, input_partition=of.partition, **fields)
        done = self.progress.add(mark)
        assert done is not None
        self.passed.add(done)

    def answered(self, born: int, end: int = 0, to: int = 10) -> None:
        """Production's outputs below `born` are of the first ten inputs; the candidate is done below `to` and read."""
        self.completeness.observe_born(born, {IN: 10})
        self.done(IN, to, end=end)
        self.read(shadow=end)

    def read(self, production: int | None = None, shadow: int | None = None, twin: int | None = None) -> None:
        """The sides have been read to these positions."""
        for side, position in ((Side.PRODUCTION, production), (Side.SHADOW, shadow), (Side.TWIN, twin)):
            if position is not None:
                self.completeness.positions[side] = position
        self.passed.advance(self.completeness.positions[Side.SHADOW])
        self.completeness.advance()

    def read_to_ms(self, *times_ms: int | None) -> None:
        """The sides have been read to these event times."""
        self.completeness.watermarks[:] = times_ms

    def shadow_is_done_with(self, row: PendingRecord) -> bool:
        """No partner of a production record can come any more."""
        return not self.completeness.lanes(Side.PRODUCTION, Side.SHADOW, row)

    def production_is_done_with(self, row: PendingRecord) -> bool:
        """No partner of a shadow record can come any more."""
        return not self.completeness.lanes(Side.SHADOW, Side.PRODUCTION, row)
