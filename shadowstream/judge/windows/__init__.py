"""Event-time windows over the statistics of all tasks, and how much time they cover."""
