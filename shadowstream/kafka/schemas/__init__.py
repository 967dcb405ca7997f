"""Writer schemas from a folder or a registry, and the Protobuf compiler."""
