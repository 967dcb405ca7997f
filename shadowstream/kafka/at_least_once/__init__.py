"""Recovery without transactions, from records that decide commits."""
