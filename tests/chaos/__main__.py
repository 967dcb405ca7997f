"""`python -m tests.chaos --kills 200`: chaos on a real broker, figures as a table, exit code 1 where not right."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from shadowstream.testing import broker
from tests.chaos.director import Plan
from tests.chaos.run import play, staged


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--kills", type=int, default=200)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--per-s", type=int, default=300, help="orders a second")
    words.add_argument("--limit-s", type=float, default=1_500.0, help="seconds of chaos at most")
    words.add_argument("--folder", type=Path, help="where logs are kept; default: a new one")
    said = words.parse_args()
    folder = said.folder or Path(tempfile.mkdtemp(prefix="shadowstream-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"logs of all processes and their deaths: {folder}", flush=True)
    with broker() as kafka, staged(kafka.bootstrap, folder, said.per_s, said.seed) as stage:
        told = play(stage, Plan.of(said.kills), said.seed, lambda text: print(text, flush=True), said.limit_s)
    print(told.table())
    if not told.director.done:
        print(f"the plan was not fulfilled within {said.limit_s:g} s")
    return 0 if told.report.right and told.director.done else 1


if __name__ == "__main__":
    sys.exit(main())
