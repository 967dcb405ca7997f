"""Counts by window and revision, diff rows and conservation ledgers of one task."""
