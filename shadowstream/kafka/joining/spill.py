"""Spilling of pending values where backpressure does not keep to the bound and `limits.overflow` is `spill`."""

import time
from collections.abc import Mapping, Sequence

from shadowstream.config import Limits
from shadowstream.joiner.task import Task
from shadowstream.kafka.joining.backpressure import WARN_EVERY_S
from shadowstream.kafka.joining.spill_file import SpillFile
from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("joiner")
AGAIN_S = 1.0  # time until the next attempt after the file had no room: on a full disk each attempt wastes its writes


class Spiller:
    """Spiller of the tasks' values; raises `ConfigError` if the file cannot be made."""

    def __init__(self, limits: Limits) -> None:
        self._bound = limits.pending_bytes_max
        self._file = SpillFile(limits.spill_dir, limits.spill_bytes_max)
        self._again_at = 0.0
        self._spilled_warning, self._refused_warning = Throttle(WARN_EVERY_S), Throttle(WARN_EVERY_S)
        self._logged = False
        self.full = False  # whether the file has no room for values that should be spilled

    def dropped(self) -> None:
        self._file.clear()
        self._logged = False
        self._spilled_warning.reset()

    def turn(self, tasks: Mapping[Partition, Task], over: Sequence[Partition]) -> list[Partition]:
        """Spill values of the tasks at production's partitions `over`; return those that still exceed their share.

        Each task spills down to half of its share, because small amounts would make many small pieces.
        """
        still: list[Partition] = []
        share = self._bound // max(1, len(tasks))
        size = 0
        for place in over:
            if time.monotonic() >= self._again_at:
                size += tasks[place].spill(self._file, share // 2)
                if self._file.refused:
                    self._again_at = time.monotonic() + AGAIN_S
                    if self._refused_warning.is_due():
                        log.warning("spill_refused", reason=self._file.refused, file_bytes=self._file.size)
            if sum(tasks[place].store.held.bytes) > share:
                still.append(place)
        self.full = bool(over and self._file.refused)
        self._log_state(sum(sum(task.store.held.spilled) for task in tasks.values()), size)
        return still

    def _log_state(self, on_disk: int, size: int) -> None:
        if size and self._spilled_warning.is_due():
            log.warning("values_spilled", spilled_bytes=on_disk, file_bytes=self._file.size, bound=self._bound)
            self._logged = True
        elif self._logged and not on_disk:
            log.info("spilled_values_back")
            self._logged = False
            self._spilled_warning.reset()
