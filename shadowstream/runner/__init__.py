"""The runner role: reads the inputs in its own consumer group, calls the candidate, and reports its progress in
marks."""
