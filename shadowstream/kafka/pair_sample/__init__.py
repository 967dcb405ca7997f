"""A bounded sample of a trial's pairs with their whole values, read again from the topics; nothing is committed.

`row_sample`: the rows of diff, of each kind some. `pair_values`: the records that these rows name.
"""
