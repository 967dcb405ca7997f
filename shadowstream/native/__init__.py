"""The native kernel: C that compares Avro bodies without decoding them. Optional: without it, Python does the same."""
