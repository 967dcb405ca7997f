"""The judge: windows, evidence, drift, criteria, incidents and the verdict. Pure: no I/O, clock, thread or randomness.

`shadowstream.judge.evidence.rates` is public and may be used on its own.
"""
