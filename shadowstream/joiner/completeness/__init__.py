"""When a partner can no longer come: event time, idle partitions, marks, offsets observed on the broker."""
