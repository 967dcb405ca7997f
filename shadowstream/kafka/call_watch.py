"""Watch over the candidate's calls: a call longer than `candidate.timeout_ms` ends the process and names its input.

The calling thread cannot be interrupted, so a second thread watches its current call (`runner.current_call`). Before
the process ends, it durably records the input. The next process then gives that input the outcome `timeout`; of a
batch, it calls the inputs one by one. A call that holds the interpreter's lock lets no second thread run. There the
timer of `faulthandler`, which needs no lock, ends the process, and the input counts as one that crashes.
"""

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import ModuleType

from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.logs import get_logger
from shadowstream.runner.current_call import CallTracker, CurrentCall

log = get_logger("runner")
EXIT_TIMEOUT = 71
SHOWN_AFTER_S = 5.0  # duration after which health names a call
LOCKED_S = 30.0  # time after the timeout within which the interpreter's lock must have been free once


class CallWatch:
    """Watch over the calls of the thread that creates it. It passes a late call to `timed_out`, then calls `end`."""

    def __init__(
        self,
        calls: CallTracker,
        config: Config,
        watch: RoleHealth,
        timed_out: Callable[[CurrentCall, str], None],
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._calls, self._watch, self._timed_out, self._end = calls, watch, timed_out, end
        self._timeout_ms = config.candidate_timeout_ms
        self._asks = threading.get_ident()
        self._closed = False
        self._last: tuple[tuple[int, int], float] | None = None
        threading.Thread(target=self._turn, args=(time,), name="calls", daemon=True).start()

    def close(self) -> None:
        self._closed = True
        self._watch.busy = ""
        if self._watch.own_process:
            faulthandler.cancel_dump_traceback_later()

    def _turn(self, clock: ModuleType) -> None:
        timeout_s = self._timeout_ms / 1000
        while not self._closed:
            if self._watch.own_process:
                faulthandler.dump_traceback_later(timeout_s + LOCKED_S, exit=True)
            clock.sleep(min(0.5, timeout_s / 10))
            asked = self._calls.now()
            if asked is None:
                self._last, self._watch.busy = None, ""
                continue
            now = clock.monotonic()
            if self._last is None or self._last[0] != asked.serial:
                self._last, self._watch.busy = (asked.serial, now), ""
                continue
            seconds = now - self._last[1]
            if seconds < timeout_s:
                self._watch.turned()  # the role makes progress while a call may still answer
                if seconds >= min(SHOWN_AFTER_S, timeout_s / 2):
                    self._watch.busy = self._words(asked, f"has taken {seconds:.0f} s")
                continue
            self._watch.busy = self._words(asked, "takes too long; the process ends")
            self._stuck(asked)
            return

    def _words(self, asked: CurrentCall, how: str) -> str:
        return f"the candidate's call for {asked} {how} (candidate.timeout_ms: {self._timeout_ms})"

    def _stuck(self, asked: CurrentCall) -> None:
        first, last = asked.offsets[0], asked.offsets[-1]
        stack = "".join(traceback.format_stack(sys._current_frames().get(self._asks)))
        at = {**asked.place._asdict(), "offset": first, "last_offset": last, "timeout_ms": self._timeout_ms}
        log.error("candidate_timeout", **at, exit_code=EXIT_TIMEOUT, stack=stack[-4_000:])
        try:
            self._timed_out(asked, f"no answer within candidate.timeout_ms: {self._timeout_ms}")
        except Exception as error:  # noqa: BLE001 - the next process detects the input without this note
            log.error("attempt_not_noted", error=str(error))
        sys.stderr.flush()
        self._end(EXIT_TIMEOUT)
