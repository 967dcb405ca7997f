"""The same output and the same patience on every machine."""

import os

from hypothesis import settings

# What the CLI prints is asserted: no colours, and no line broken by the width of someone's terminal.
os.environ.update(NO_COLOR="1", TERM="dumb", COLUMNS="200")

# A busy machine is not a fault of the code under test.
settings.register_profile("shadowstream", deadline=None, print_blob=True)
settings.load_profile("shadowstream")
