"""Completeness: when a partner can no longer come, by event time, idle partitions, marks and observed offsets."""
