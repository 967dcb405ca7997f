"""Run the simulator: ``python -m shadowstream.testing.simulation --seeds 500 --first-seed 0``."""

import argparse
import os
import sys

from shadowstream.testing.simulation.run import SHEDDING, SPILLING, STEPS, run


def main(arguments: list[str] | None = None) -> int:
    """0 where nothing was wrong and, from 500 seeds on, every possible outcome was shown."""
    parser = argparse.ArgumentParser(prog="python -m shadowstream.testing.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: one a core")
    parser.add_argument("--on-broker", action="store_true", help="the real roles and loop, on the broker in memory")
    parser.add_argument("--at-least-once", action="store_true", help="as --on-broker, without transactions")
    parser.add_argument("--changes", action="store_true", help="as --on-broker; a topic grows or is made again")
    parser.add_argument("--shed", action="store_true", help="tasks shed identities; not on the broker")
    parser.add_argument("--spill", action="store_true", help="tasks spill values to a file; not on the broker")
    given = parser.parse_args(arguments)
    way = SHEDDING if given.shed else SPILLING if given.spill else STEPS
    if given.changes:
        from shadowstream.testing.simulation.on_broker.changes import CHANGING as way
    elif given.at_least_once:
        from shadowstream.testing.simulation.on_broker.play import AT_LEAST_ONCE as way
    elif given.on_broker:
        from shadowstream.testing.simulation.on_broker.play import ON_BROKER as way  # the roles, and what they need
    well, lines = run(given.first_seed, given.seeds, given.processes, way)
    print("\n".join(lines), flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
