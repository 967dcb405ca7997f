"""The loop that a team writes by hand: a dict a side, fastavro, mismatches produced, a commit a second."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from bench.engines.plain import agree, reader
from bench.engines.telling import Telling, spec


def main() -> None:
    asked = spec()
    telling, decode, atol = Telling(asked["pairs"]), reader(asked["schema"]), asked["atol"]
    consumer = Consumer(
        {
            "bootstrap.servers": asked["bootstrap"],
            "group.id": f"bench-hand-{asked['production']}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 20,
        }
    )
    producer = Producer({"bootstrap.servers": asked["bootstrap"], "linger.ms": 20})
    production = asked["production"]
    topics = production, asked["shadow"]
    consumer.assign([TopicPartition(topic, p, 0) for topic in topics for p in range(asked["partitions"])])
    ours: dict[bytes, bytes] = {}
    theirs: dict[bytes, bytes] = {}
    pairs = mismatches = 0
    committed = time.monotonic()
    while pairs < asked["pairs"]:
        for message in consumer.consume(1_000, 0.1):
            key, value = message.key(), message.value()
            is_ours = message.topic() == production
            other = (theirs if is_ours else ours).pop(key, None)
            if other is None:
                (ours if is_ours else theirs)[key] = value
                continue
            pairs += 1
            one, two = (value, other) if is_ours else (other, value)
            if one != two and not agree(decode(one), decode(two), atol):
                mismatches += 1
                producer.produce(asked["found"], two, key)
        telling.reached(pairs)
        producer.poll(0)
        if time.monotonic() - committed > 1:
            consumer.commit(asynchronous=True)
            committed = time.monotonic()
    producer.flush()
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._NO_OFFSET:  # the last commit had all of them
            raise
    telling.found(pairs, mismatches)


if __name__ == "__main__":
    main()
