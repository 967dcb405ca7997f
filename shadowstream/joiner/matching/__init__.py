"""Which records pair with each other, and where pending records are kept."""
