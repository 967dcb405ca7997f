"""Services of the joiner role: broker observations, back-pressure, spilling, hook processes."""
