"""Commits of a task and their restoration: commit, checkpoint, pending records."""
