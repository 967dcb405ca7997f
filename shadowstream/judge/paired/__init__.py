"""Paired comparison of candidates that have a trial each and see the same records of production."""
