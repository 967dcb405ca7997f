"""Samples of the joiner's main thread, at each tick of CPU time, by the part of the joiner that it is in."""

import signal
import threading
import time
from collections import Counter
from types import FrameType

TICK_S = 0.001  # the kernel takes its own tick where that is longer
PARTS = (
    ("calls of the client: messages are made, rows are sent", "kafka/client/errors.py", "kafka/client/consumers.py"),
    ("columns of messages: one getter a record and column", "kafka/client/messages.py", "kafka/read_ahead.py"),
    ("repeats within the dedupe span", "joiner/intake/dedupe.py", "joiner/intake/repeat_outcome.py"),
    ("identities, hashes, event times", "joiner/intake/"),
    ("matching", "joiner/matching/"),
    ("comparison", "compare/", "joiner/outcomes/"),
    ("counts by window, slice and key bucket; rows of diff", "joiner/accounting/"),
    ("commit: state, conditions of waiting records", "joiner/recovery/", "joiner/completeness/"),
    ("turn of the loop, messages freed, transaction", "kafka/", "joiner/"),
)
"""Parts, each with beginnings of paths. A sample belongs to its innermost frame that lies below one of these paths, so
that codecs and native code count for the part that calls them."""
OTHER = "other"
THREADS = "threads of librdkafka: fetch, decompress, send"


class Sampler:
    """Counts the parts in which the main thread is. It is made and ended in that thread."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self._clock = time.pthread_getcpuclockid(threading.main_thread().ident or 0)
        self._began = 0.0, 0.0
        signal.signal(signal.SIGPROF, self._sample)

    def begin(self) -> None:
        """Begin to sample."""
        self._began = time.process_time(), time.clock_gettime(self._clock)
        signal.setitimer(signal.ITIMER_PROF, TICK_S, TICK_S)

    def shares(self) -> dict[str, float]:
        """End; return the percent of the process's CPU time of each part."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        # Discards a signal that waits for another thread: without a handler, it would end the interpreter at its exit.
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        process, thread = time.process_time() - self._began[0], time.clock_gettime(self._clock) - self._began[1]
        main, samples = 100 * thread / process, self.parts.total()
        names = [name for name, *_ in PARTS] + [OTHER]
        return {THREADS: round(100 - main, 1)} | {name: round(main * self.parts[name] / samples, 1) for name in names}

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        while frame is not None:
            _, is_own, path = frame.f_code.co_filename.rpartition("/shadowstream/")
            for name, *begins in PARTS if is_own else ():
                if path.startswith(tuple(begins)):
                    self.parts[name] += 1
                    return
            frame = frame.f_back
        self.parts[OTHER] += 1
