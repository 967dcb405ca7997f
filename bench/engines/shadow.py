"""Ours: the joiner as `shadowstream join` runs it, exactly-once, until every pair is committed.

The candidate is a job of its own (`candidate.topic`), as for everybody else here: two topics that somebody filled. Its
watcher has said the start beforehand.
"""

import sys
import threading
import time
from collections import Counter

from bench.engines.telling import Telling, spec
from bench.sampler import Sampler
from shadowstream.configfile import load
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.roles import joiner
from shadowstream.revision import revision_of

LOOK_S = 0.1
PAIRS = ("shadowstream_pairs_total",)
"""The one metric looked at, ten times a second within the process that is measured."""


def outcomes(watch: RoleHealth) -> Counter[str]:
    """Committed pairs by outcome, as `/metrics` shows them."""
    found: Counter[str] = Counter()
    for family in watch.metrics.registry.restricted_registry(PAIRS).collect():
        for sample in family.samples:
            found[sample.labels["outcome"]] += int(sample.value)
    return found


def main() -> None:
    asked = spec()
    config = load(asked["config"])
    telling, stop, watch = Telling(asked["pairs"]), Stoppable(), RoleHealth(config.name, "joiner")
    sampler = Sampler() if asked.get("sampled") else None

    def look() -> None:
        while not stop.stopped:
            time.sleep(LOOK_S)
            pairs = sum(outcomes(watch).values())
            telling.reached(pairs)
            if pairs >= asked["pairs"]:
                stop.stop()

    threading.Thread(target=look, daemon=True).start()
    if sampler is not None:
        sampler.begin()
    joiner.run(config, revision_of(config), stop, watch, sys.argv[2] if len(sys.argv) > 2 else "0")
    shares = {} if sampler is None else {"shares": sampler.shares()}
    found = outcomes(watch)
    telling.found(sum(found.values()), found["mismatch"], outcomes=dict(found), **shares)


if __name__ == "__main__":
    main()
