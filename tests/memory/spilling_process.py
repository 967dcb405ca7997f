"""A process of its own that pairs two sides in opposite order, `hold` or `spill`, and prints what that took."""

import json
import sys
import time
from pathlib import Path

from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.matches import PairBatch
from shadowstream.joiner.pending_record import PendingColumns
from shadowstream.kafka.joining.spill_file import SpillFile
from shadowstream.records import Side
from tests.joiner.completeness.completeness_world import CompletenessWorld

RECORDS = 100_000
SIZE = 2_000
BOUND = 60_000_000
BATCH = 2_000


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def main(overflow: str) -> None:
    """The sides are read by turns, a batch each, and each half of either waits for the other's second."""
    waiting, world, spill = UniqueIdStore(10_000), CompletenessWorld(), SpillFile(None, 2 * RECORDS * SIZE)
    before, peak, pairs, spilled, cpu_s = resident(), 0, 0, 0, time.process_time()
    for begin in range(0, RECORDS, BATCH):
        for side in (Side.PRODUCTION, Side.SHADOW):
            offsets = list(range(begin, begin + BATCH))
            numbers = offsets if side is Side.PRODUCTION else [RECORDS - 1 - n for n in offsets]
            ids = [b"%d" % n for n in numbers]
            rows = PendingColumns(offsets, [0] * BATCH, [b"%0*d" % (SIZE, n) for n in numbers], ids)
            for matches in waiting.match_columns(side, ids, rows):
                assert isinstance(matches, PairBatch)
                assert matches.production.values == matches.shadow.values
                pairs += len(matches.ids)
            waiting.take_decidable(world.completeness)
            if overflow == "spill" and sum(waiting.held.bytes) > BOUND:
                spilled += waiting.spill(spill, BOUND // 2)
            peak = max(peak, resident())
    cpu_s = time.process_time() - cpu_s
    print(json.dumps({"resident": peak - before, "spilled": spilled, "pairs": pairs, "cpu_s": round(cpu_s, 2)}))


if __name__ == "__main__":
    main(sys.argv[1])
