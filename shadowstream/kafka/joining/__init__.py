"""Services of the joiner role: broker observations, backpressure, spilling, hook processes."""
