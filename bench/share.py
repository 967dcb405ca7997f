"""How much of the runner's CPU time a batch candidate that works has for itself: `python -m bench.share`."""

import json
import os
import tempfile
from pathlib import Path

from bench import ours
from bench.__main__ import ENGINES, LIMIT_S, ROOT, Place, name_of
from bench.measure import run
from shadowstream.testing.embedded import EmbeddedKafka

PAIRS = 200_000
ENGINE = "shadowstream-runner"


def main() -> None:
    with EmbeddedKafka(heap_mb=512) as kafka, tempfile.TemporaryDirectory(prefix="shadowstream-bench-") as folder:
        place = Place(kafka, Path(folder), set())
        topics = place.topics("flat-100", PAIRS)
        spec = place.folder / topics.stem
        Path(f"{spec}.json").write_text(json.dumps(place.asked(topics, ENGINE)), "utf-8")
        ours.write_runner_config(kafka.bootstrap, topics, name_of(topics, ENGINE), place.folder, "scored")
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = ENGINES[ENGINE].command(place, str(spec))
        taken = run(command, env, Path(f"{spec}.log"), kafka.pid, PAIRS, LIMIT_S)
        within = taken.found["candidate_cpu_s"]
        print(
            json.dumps(
                {"cpu_s": round(taken.cpu_s, 2), "candidate_cpu_s": within, "share": round(within / taken.cpu_s, 2)}
            )
        )


if __name__ == "__main__":
    main()
