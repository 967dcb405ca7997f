"""How the cost of a pair grows: with how much waits, how long values are, how many fields they have; and what a second
process adds, for tasks share nothing.

`python -m bench.scaling` measures the joiner's step without Kafka into bench/scaling.json and draws docs/scaling.svg.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import environments, pure
from bench.workloads import Workload

HERE = Path(__file__).parent
RESULTS = HERE / "scaling.json"
PLOT = HERE.parent / "docs" / "scaling.svg"
PENDING = 1_000, 10_000, 100_000, 1_000_000
SIZES = 100, 300, 1_000, 3_000
FIELDS = 2, 4, 8, 16, 32
PROCESSES = 1, 2
PAIRS = 100_000
OF_PROCESSES = 400_000


def measured() -> list[dict[str, Any]]:
    """Rows of CPU microseconds a pair, by what was varied."""
    rows = []
    for lag in PENDING:
        rows.append(_row("pending", lag, "flat-100", max(PAIRS, lag + PAIRS), lag))
    for size in SIZES:
        rows.append(_row("bytes", size, f"flat-{size}-1", PAIRS, 10_000))
    for fields in FIELDS:
        rows.append(_row("fields", 8 + 2 * fields, f"flat-1000-{fields}", PAIRS, 10_000))
    return [*rows, *map(_processes, PROCESSES)]


def _processes(count: int) -> dict[str, Any]:
    """So many processes at once, each with tasks of its own, as in a group: CPU a pair, and pairs a second of all."""
    command = [sys.executable, "-m", "bench.pure", "--pairs", str(OF_PROCESSES)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    costs = [json.loads(process.communicate()[0]) for process in running]
    row = {
        "varied": "processes",
        "at": count,
        "workload": "flat-100",
        "us_per_pair": round(sum(cost["us"] for cost in costs) / count, 2),
        "pairs_per_s": round(sum(1e6 / cost["wall_us"] for cost in costs)),
        "pairs": sum(cost["pairs"] for cost in costs),
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _row(varied: str, at: int, workload: str, pairs: int, lag: int) -> dict[str, Any]:
    cost = pure.measure(Workload(workload), pairs, lag)
    row = {"varied": varied, "at": at, "workload": workload, "us_per_pair": round(cost.us, 2), "pairs": cost.pairs}
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def main() -> None:
    RESULTS.write_text(json.dumps(measured(), indent=1) + "\n", "utf-8")
    draw = [str(environments.python_of("plots")), str(HERE / "drawing.py"), str(RESULTS), str(PLOT)]
    subprocess.run(draw, check=True)


if __name__ == "__main__":
    main()
