"""Bytewax: its join operator with a recovery store and an epoch of a second; mismatches to a topic.

Its join has no window: what waits, waits for ever, as under `shadowstream` without marks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from bench.engines.plain import agree, reader
from bench.engines.telling import Telling, spec


def main() -> None:
    asked = spec()
    telling, decode, atol = Telling(asked["pairs"]), reader(asked["schema"]), asked["atol"]
    counted = [0, 0]
    flow = Dataflow("bench")

    def side(name: str) -> KeyedStream[bytes]:
        source = KafkaSource(
            [asked["bootstrap"]], [asked[name]], tail=False, add_config={"fetch.queue.backoff.ms": "20"}
        )
        return op.map(f"{name}-keyed", op.input(name, flow, source), keyed)

    def keyed(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, bytes]:
        return message.key.decode(), message.value

    def compared(pair: tuple[str, tuple[bytes, bytes]]) -> Iterator[KafkaSinkMessage[bytes, bytes]]:
        key, (ours, theirs) = pair
        counted[0] += 1
        telling.reached(counted[0])
        if ours != theirs and not agree(decode(ours), decode(theirs), atol):
            counted[1] += 1
            yield KafkaSinkMessage(key.encode(), theirs)

    joined = op.join("joined", side("production"), side("shadow"))
    op.output("found", op.flat_map("compared", joined, compared), KafkaSink([asked["bootstrap"]], asked["found"]))
    with tempfile.TemporaryDirectory() as folder:
        init_db_dir(Path(folder), 1)
        recovery = RecoveryConfig(folder, backup_interval=timedelta(0))
        cli_main(flow, epoch_interval=timedelta(seconds=1), recovery_config=recovery)
    telling.found(*counted)


if __name__ == "__main__":
    main()
