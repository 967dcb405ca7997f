"""Production of an example, played from its `production.py`: topics, records and committed offsets.

Run it in the folder of an example, `python ../feed.py`. It needs a Kafka at KAFKA_BOOTSTRAP, by default
localhost:9092, and creates topics that no trial owns: never run it on a cluster that others use.
"""

import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.insert(0, "")
import production

PARTITIONS = 2
KAFKA = {"bootstrap.servers": os.environ.get("KAFKA_BOOTSTRAP", "localhost:9092")}


def main() -> None:
    # The records are of the past, and the broker would delete what is older than a week.
    topics = [NewTopic(topic, PARTITIONS, 1, config={"retention.ms": "-1"}) for topic in production.TOPICS]
    admin = AdminClient(KAFKA)
    for created in admin.create_topics(topics).values():
        created.result()
    producer, count = Producer({**KAFKA, "enable.idempotence": True, "linger.ms": 50}), 0
    for count, (topic, key, value, time_ms) in enumerate(production.records(), 1):
        producer.produce(topic, value, key, timestamp=time_ms)
        if count % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise SystemExit("Kafka did not take all records")
    for group, inputs in production.GROUPS.items():
        commit(group, inputs)
    print(f"{count:,} records in {', '.join(production.TOPICS)}")


def commit(group: str, inputs: list[str]) -> None:
    """Commit the ends of the inputs, as production does after it has answered everything."""
    consumer = Consumer({**KAFKA, "group.id": group})
    places = [TopicPartition(topic, partition) for topic in inputs for partition in range(PARTITIONS)]
    ends = [consumer.get_watermark_offsets(place, timeout=30)[1] for place in places]
    done = [TopicPartition(place.topic, place.partition, end) for place, end in zip(places, ends, strict=True)]
    for left in range(60, 0, -1):
        try:
            consumer.commit(offsets=done, asynchronous=False)
            break
        except KafkaException as error:
            if not (left > 1 and error.args[0].retriable()):
                raise
            time.sleep(0.5)  # a broker that has just started loads its groups
    consumer.close()


if __name__ == "__main__":
    main()
