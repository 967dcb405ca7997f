"""The trial on the cluster: its start, its topics and rights, and the checks at the start."""
