"""Quix Streams: an interval join of ±1 s on its RocksDB with changelog topics, at least once; mismatches to a topic."""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application

from bench.engines.plain import agree, reader
from bench.engines.telling import Telling, spec


def main() -> None:
    asked = spec()
    telling, decode, atol = Telling(asked["pairs"]), reader(asked["schema"]), asked["atol"]
    counted = {"pairs": 0, "mismatches": 0}
    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=asked["bootstrap"],
            consumer_group=f"bench-quix-{asked['production']}",
            auto_offset_reset="earliest",
            commit_interval=1.0,
            consumer_extra_config={"fetch.queue.backoff.ms": 20},
            state_dir=folder,
            loglevel="ERROR",
        )
        kinds: Any = {"key_deserializer": "bytes", "value_deserializer": "bytes"}
        production = app.dataframe(app.topic(asked["production"], **kinds)).apply(decode)
        shadow = app.dataframe(app.topic(asked["shadow"], **kinds)).apply(decode)

        def compared(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
            counted["pairs"] += 1
            telling.reached(counted["pairs"])
            same = agree(ours, theirs, atol)
            counted["mismatches"] += not same
            if counted["pairs"] >= asked["pairs"]:
                app.stop()
            return {"same": same, "shadow": theirs}

        joined = production.join_interval(shadow, "inner", compared, 2_000, None, 1_000, 1_000)
        found = app.topic(asked["found"], key_serializer="bytes", value_serializer="json")
        joined.filter(lambda value: not value["same"]).to_topic(found)
        app.run()
    telling.found(counted["pairs"], counted["mismatches"])


if __name__ == "__main__":
    main()
