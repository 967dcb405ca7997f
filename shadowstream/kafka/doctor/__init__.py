"""The doctor: what a principal may do on the cluster, against the least that it needs, and whether the cluster fits."""
