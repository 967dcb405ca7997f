"""Recovery without transactions: commits decided before a restart."""
