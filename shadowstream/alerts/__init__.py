"""The alerts role: delivers the judge's incidents and rejects, once each. It decides nothing."""
