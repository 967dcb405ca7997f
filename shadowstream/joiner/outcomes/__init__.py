"""From matches to outcomes: comparison, unmatched records, corrections, deferred decisions."""
