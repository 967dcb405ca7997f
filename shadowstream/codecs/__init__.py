"""Bytes to values and back: framing, Avro, JSON, writer schemas by id. Pure: schemas are handed in as objects."""
