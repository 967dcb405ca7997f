"""Intake of a side's records: position, headers, repeats and unreadable records."""
