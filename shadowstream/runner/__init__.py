"""The runner: it reads the inputs in a group of its own, calls the candidate, and reports its progress in marks."""
