"""`make compare-proof`: generated pairs against the oracle; exit 1 where the product says anything else."""

from __future__ import annotations

import argparse
import sys

from tests.compare.proof.running import Report, run

SHOWN = 20
CLASSES = ("false match", "false mismatch", "wrong outcome", "wrong place or kind", "rows and columns disagree")


def told(report: Report) -> str:
    """The report as text."""
    lines = [f"cases: {report.cases} (seed {report.seed})", f"kinds covered: {len(report.kinds)}"]
    lines += [f"  {n:6} {kind}" for kind, n in sorted(report.kinds.items())]
    lines += [f"{name}: {report.counts[name]}" for name in CLASSES]
    kinds = {(one.what, one.label.partition(":")[0], one.case.name): one for one in reversed(report.faults)}
    lines += [str(one) for one in list(kinds.values())[::-1][:SHOWN]]
    return "\n".join(lines)


def main() -> int:
    """Run, print, and say by the exit code whether all agreed."""
    parser = argparse.ArgumentParser(prog="tests.compare.proof", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scene", type=int, help="this scene alone")
    given = parser.parse_args()
    first, cases = (0, given.cases) if given.scene is None else (given.scene, 1)
    report = run(given.seed, cases, first)
    sys.stdout.write(told(report) + "\n")
    return 1 if report.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
