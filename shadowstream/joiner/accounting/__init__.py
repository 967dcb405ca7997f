"""Counts by window and revision, diff rows, and the conservation ledger of one task."""
