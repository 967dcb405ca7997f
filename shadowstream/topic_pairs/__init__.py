"""Comparison of two existing topics without a trial: pairs of their records, and the tally of the result. Pure.

`stored_record`: a record as bytes, for buckets that do not fit into memory. `pairing`: records of both topics with the
same id. `tally`: what became of each record, and where the pairs differ. `words`: the texts of both.
"""
