"""The roles as processes: runner, joiner, judge, labels, copier, and the watcher of an external candidate."""
