"""A side's records on the way in: position, headers, repeats, records that nobody can read."""
