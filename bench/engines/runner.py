"""Ours: the runner as `shadowstream run` runs it, exactly-once, with a candidate that says what it was given."""

import threading
import time

from bench.engines import noop
from bench.engines.telling import Telling, spec
from shadowstream.configfile import load
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.roles import runner
from shadowstream.revision import revision_of

LOOK_S = 0.1


def ended(watch: RoleHealth) -> tuple[int, float]:
    """Committed inputs with output, and the seconds within the candidate, as `/metrics` shows them."""
    records, seconds = 0, 0.0
    for family in watch.metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "shadowstream_records_total" and sample.labels["outcome"] == "with_output":
                records += int(sample.value)
            elif sample.name == "shadowstream_candidate_seconds_sum":
                seconds += sample.value
    return records, seconds


def main() -> None:
    asked = spec()
    config = load(asked["config"])
    telling, stop, watch = Telling(asked["pairs"]), Stoppable(), RoleHealth(config.name, "runner")

    def look() -> None:
        while not stop.stopped:
            time.sleep(LOOK_S)
            telling.reached(ended(watch)[0])

    threading.Thread(target=look, daemon=True).start()
    runner.run(config, revision_of(config), stop, watch)
    stop.stop()
    records, seconds = ended(watch)
    telling.found(records, -1, candidate_s=round(seconds, 2), candidate_cpu_s=round(noop.spent[0], 2))


if __name__ == "__main__":
    main()
