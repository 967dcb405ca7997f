"""Outcomes of matches: comparison, unmatched records, corrections, deferred decisions."""
