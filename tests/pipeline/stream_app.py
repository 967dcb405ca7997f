"""A small stream application, as a process: it answers inputs, with outputs and offsets in one transaction.

``python stream_app.py BOOTSTRAP GROUP INPUT OUTPUT VERSION RESET``. Each output names its input and the version.
SIGTERM ends it after its commit. Killed at any moment, it leaves no output that a reader of committed records
sees twice.
"""

import signal
import sys
import threading

from confluent_kafka import Consumer, Producer

SESSION_MS = 6_000
INPUT, VERSION = "x-input", "x-version"
BATCH = 20


def main(bootstrap: str, group: str, source: str, target: str, version: str, reset: str) -> None:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": reset,
            "isolation.level": "read_committed",
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": 500,
        }
    )
    settings = {"transactional.id": f"{target}.app", "transaction.timeout.ms": 10_000}
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    producer.init_transactions(60)
    consumer.subscribe([source])
    while not over.is_set():
        messages = consumer.consume(BATCH, 0.1)
        if not messages:
            continue
        producer.begin_transaction()
        for message in messages:
            if message.error() is not None:
                raise SystemExit(f"{version}: {message.error()}")
            place = f"{message.topic()}/{message.partition()}/{message.offset()}"
            headers = [(INPUT, place.encode()), (VERSION, version.encode())]
            partition, (_, time_ms) = message.partition(), message.timestamp()
            producer.produce(target, message.value(), message.key(), partition, timestamp=time_ms, headers=headers)
        positions = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 60)
        producer.commit_transaction(60)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
