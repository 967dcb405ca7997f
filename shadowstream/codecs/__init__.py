"""Conversion between bytes and values: framing, Avro, JSON, Protobuf, writer schemas by id. Pure: the caller passes
schemas in as objects."""
