"""Chaos on a real broker: `python -m tests.chaos kills --kills 200`, `python -m tests.chaos broker --kills 10`.

Prints figures as a table; exit code 1 where anything is lost, double or alien, or the plan was not fulfilled.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from shadowstream.testing import broker
from tests.chaos import outages, run
from tests.chaos.fault_schedule import Plan


def put(text: str) -> None:
    print(text, flush=True)


def kill_roles(options: argparse.Namespace, folder: Path) -> bool:
    """Kills, zombies and members that come and go."""
    with broker() as kafka, run.loaded_trial(kafka.bootstrap, folder, options.per_s, options.seed) as loaded:
        figures = run.play(loaded, Plan.of(options.kills), options.seed, put, options.limit_s)
    put(figures.table())
    if not figures.schedule.done:
        put(f"the plan was not fulfilled within {options.limit_s:g} s")
    return figures.report.right and figures.schedule.done


def break_broker(options: argparse.Namespace, folder: Path) -> bool:
    """Kills of the broker, hangs, full disks and black holes."""
    with outages.on_tight_disk_if_any(folder, options.per_s, options.seed, put) as (loaded_trial, disk):
        fills = [(disk, seconds) for seconds in options.fills_s] if disk else []
        ended = outages.play(
            loaded_trial, kills=options.kills, holes_s=options.holes_s, hangs_s=options.hangs_s, fills=fills, say=put
        )
    put(ended.table())
    return ended.report.right and ended.slowest_s <= outages.AGAIN_MAX_S


def main() -> int:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--seed", type=int, default=1)
    shared.add_argument("--per-s", type=int, default=300, help="orders a second")
    shared.add_argument("--folder", type=Path, help="where logs are kept; default: a new one")
    words = argparse.ArgumentParser(description=__doc__)
    kinds = words.add_subparsers(required=True)
    roles = kinds.add_parser("kills", parents=[shared])
    roles.add_argument("--kills", type=int, default=200, help="kill -9 of roles, at least")
    roles.add_argument("--limit-s", type=float, default=1_500.0, help="seconds of chaos at most")
    roles.set_defaults(play=kill_roles)
    away = kinds.add_parser("broker", parents=[shared])
    away.add_argument("--kills", type=int, default=10, help="kill -9 of the broker")
    away.add_argument("--holes-s", type=float, nargs="*", default=[5, 10, 20, 30, 45, 60], help="black holes, seconds")
    away.add_argument("--hangs-s", type=float, nargs="*", default=[35, 50], help="hangs of the broker, seconds")
    away.add_argument("--fills-s", type=float, nargs="*", default=[5, 20], help="the broker's disk full, seconds")
    away.set_defaults(play=break_broker)
    options = words.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="shadowstream-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    put(f"logs of all processes, and the phase of each at its death: {folder}")
    return 0 if options.play(options, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
