"""Bounded, read-only looks at a cluster for a trial's first config: samples of topics, and production's groups."""
