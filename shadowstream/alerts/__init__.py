"""The alerts role: delivers the judge's incidents and rejects, each once. It decides nothing."""
