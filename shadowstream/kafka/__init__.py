"""The edge to Kafka: the only room, beside testing and demo, that imports the client."""
