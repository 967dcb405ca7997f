"""One module an engine, each a process of its own: `python -m bench.engines.<name> SPEC`.

A peer's runs in the peer's own environment, so that nothing here but `ours` and `runner` imports shadowstream, and
nothing but the engine itself what it needs.
"""
