"""The runner: reads the inputs in a group of its own, calls the candidate, says how far it is."""
