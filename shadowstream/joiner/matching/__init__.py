"""Matching: the stores of pending records, and the rules by which records pair."""
