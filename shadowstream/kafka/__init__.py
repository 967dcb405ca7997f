"""The edge to Kafka: the only package, beside testing and demo, that imports the Kafka client."""
