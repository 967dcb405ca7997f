"""The consume-produce loop that a team writes by hand around a model: decode, call, encode, produce; a transaction a
second with the offsets in it. The model says what it was given."""

import io
import json
import time
from typing import Any

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.engines.noop import same
from bench.engines.plain import HEAD, reader
from bench.engines.telling import Telling, spec


def main() -> None:
    asked = spec()
    telling, decode = Telling(asked["pairs"]), reader(asked["schema"])
    with open(asked["schema"], encoding="utf-8") as file:
        schema = fastavro.parse_schema(json.load(file))
    consumer = Consumer(
        {
            "bootstrap.servers": asked["bootstrap"],
            "group.id": f"bench-plain-{asked['production']}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 20,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": asked["bootstrap"],
            "transactional.id": f"bench-plain-{asked['production']}",
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.init_transactions()
    consumer.assign([TopicPartition(asked["production"], p, 0) for p in range(asked["partitions"])])
    producer.begin_transaction()
    done, committed = 0, time.monotonic()
    while done < asked["pairs"]:
        messages = consumer.consume(1_000, 0.1)
        answers: list[Any] = same([decode(message.value()) for message in messages])
        for message, answer in zip(messages, answers, strict=True):
            out = io.BytesIO()
            out.write(message.value()[:HEAD])
            fastavro.schemaless_writer(out, schema, answer)
            while True:
                try:
                    producer.produce(
                        asked["found"],
                        out.getvalue(),
                        message.key(),
                        message.partition(),
                        timestamp=message.timestamp()[1],
                    )
                    break
                except BufferError:
                    producer.poll(0.05)
        done += len(messages)
        telling.reached(done)
        if time.monotonic() - committed > 1 or done >= asked["pairs"]:
            offsets = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
            producer.commit_transaction()
            committed = time.monotonic()
            if done < asked["pairs"]:
                producer.begin_transaction()
    telling.found(done, -1)


if __name__ == "__main__":
    main()
