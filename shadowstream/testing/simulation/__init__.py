"""A simulator of whole trials: the real joiner and the real runner step on a Kafka in memory, against an oracle.

From one seed comes a history: a config, inputs of known behaviour, and the order in which everybody does what they do,
with crashes in between. `oracle` says from the generator's truth alone how each record must end; `check` compares.

    python -m shadowstream.testing.simulation --seeds 500
"""
