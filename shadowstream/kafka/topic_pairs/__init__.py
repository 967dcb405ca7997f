"""Reading of two existing topics for `compare`, and the disk on which records wait for their partners."""
