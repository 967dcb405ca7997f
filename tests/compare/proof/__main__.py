"""`make compare-proof`: generated pairs against the oracle; exit 1 where the product says anything else.

`--planted` plants faults in the product and says after how many cases each was caught; exit 1 if one was not.
"""

import argparse
import pprint
import sys

from tests.compare.proof.executions import Report, run
from tests.compare.proof.planted import CASES, PLANTED, caught
from tests.compare.proof.scenes import scene

CLASSES = ("false match", "false mismatch", "wrong outcome", "wrong place or kind", "rows and columns disagree")


def lines_of(report: Report, shown: int) -> str:
    """The report as text; of faults of one kind one example."""
    lines = [f"cases: {report.cases} (seed {report.seed})", f"kinds covered: {len(report.kinds)}"]
    lines += [f"  {n:6} {kind}" for kind, n in sorted(report.kinds.items())]
    lines += [f"{name}: {report.counts[name]}" for name in CLASSES]
    kinds = {(one.what, one.label.partition(":")[0], one.case.name): one for one in reversed(report.faults)}
    lines += [str(one) for one in list(kinds.values())[::-1][:shown]]
    return "\n".join(lines)


def plants(seed: int) -> bool:
    """Plant each fault; whether all were caught."""
    found = True
    for fault in PLANTED:
        report = caught(fault, seed)
        found &= report.first is not None
        verdict = f"caught after {report.first} cases" if report.first else f"NOT caught within {CASES} cases"
        sys.stdout.write(f"{fault.name}: {verdict}\n")
    return found


def main() -> int:
    """Run, print, and say by the exit code whether all agreed."""
    parser = argparse.ArgumentParser(prog="tests.compare.proof", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scene", type=int, help="this scene alone, with its schemas, rules and bytes")
    parser.add_argument("--show", type=int, default=20, help="at most so many examples of faults")
    parser.add_argument("--planted", action="store_true", help="plant faults instead, and see each caught")
    given = parser.parse_args()
    if given.planted:
        return 0 if plants(given.seed) else 1
    if given.scene is not None:
        pprint.pprint(scene(given.seed, given.scene)._asdict(), width=140)
    first, cases = (0, given.cases) if given.scene is None else (given.scene, 1)
    report = run(given.seed, cases, first)
    sys.stdout.write(lines_of(report, given.show) + "\n")
    return 1 if report.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
