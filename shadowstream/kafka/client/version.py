"""Version of Kafka's client."""

import confluent_kafka


def client_version() -> str:
    """Return the versions of librdkafka and of its Python package."""
    return f"librdkafka {confluent_kafka.libversion()[0]} (confluent-kafka {confluent_kafka.__version__})"
