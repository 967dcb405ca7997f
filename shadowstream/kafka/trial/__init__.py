"""The trial on the cluster: where it begins, its own topics, rights and checks made at the start."""
