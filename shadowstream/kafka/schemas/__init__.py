"""Writer schemas: folder, registry, and the Protobuf compiler."""
