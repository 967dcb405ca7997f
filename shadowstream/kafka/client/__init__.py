"""The Kafka client: consumers, producers, errors, offsets and the messages it hands over."""
