"""Where the CPU time of the joiner beside a real broker goes: its main thread, sampled at each tick of CPU time.

`python -m bench.sampled` runs the joiner of `bench` once, on the README's workload, and prints the share of each part.
`--write` keeps the table in bench/sampled.json and docs/benchmarks.md.
"""

import argparse
import json
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from bench.conditions import sentence

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "sampled.json"
BEGIN, END = "<!-- sampled: made by `python -m bench.sampled --write` -->", "<!-- sampled: end -->"
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


def lines(found: dict[str, Any]) -> list[str]:
    """The table of a run."""
    made = ["| part | share of the CPU time |", "|---|--:|"]
    return [*made, *(f"| {name} | {share:g} % |" for name, share in found["shares"].items())]


def docs_with(page: str, found: dict[str, Any]) -> str:
    """The page with the table of a run."""
    from bench.table import placed

    return placed(page, [*lines(found), "", sentence(found["conditions"])], BEGIN, END)


def main() -> None:
    from bench import table
    from bench.__main__ import PAIRS, Place, play
    from bench.conditions import conditions
    from shadowstream.testing.embedded import EmbeddedKafka

    parser = argparse.ArgumentParser(prog="python -m bench.sampled", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    asked, found = parser.parse_args(), {"conditions": conditions()}
    with EmbeddedKafka(heap_mb=1_024) as kafka, tempfile.TemporaryDirectory(prefix="shadowstream-bench-") as folder:
        played = play(Place(kafka, Path(folder), set()), "shadowstream", table.SHOWN, asked.pairs, is_sampled=True)
    found |= {"pairs": played["pairs"], "shares": played["shares"]}
    print("\n".join(lines(found)))
    if asked.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        table.DOCS.write_text(docs_with(table.DOCS.read_text("utf-8"), found), "utf-8")


if __name__ == "__main__":
    main()
