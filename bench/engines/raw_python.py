"""Raw consumption: every record of both topics consumed in batches and its columns pulled; nothing is paired."""

from confluent_kafka import Consumer, Message, TopicPartition

from bench.engines.telling import Telling, spec

GETTERS = (Message.partition, Message.offset, Message.timestamp, Message.key, Message.value)


def main() -> None:
    asked = spec()
    telling = Telling(asked["pairs"])
    consumer = Consumer(
        {
            "bootstrap.servers": asked["bootstrap"],
            "group.id": f"bench-raw-{asked['production']}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 20,
        }
    )
    topics = asked["production"], asked["shadow"]
    consumer.assign([TopicPartition(topic, p, 0) for topic in topics for p in range(asked["partitions"])])
    records = 0
    while records < 2 * asked["pairs"]:
        batch = consumer.consume(1_000, 0.1)
        for getter in GETTERS:
            list(map(getter, batch))
        if asked["headers"]:
            list(map(Message.headers, batch))
        records += len(batch)
        telling.reached(records // 2)
    telling.found(records // 2, -1)


if __name__ == "__main__":
    main()
