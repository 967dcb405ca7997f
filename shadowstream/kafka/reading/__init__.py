"""Topics read outside any consumer group: whole, from the end backwards, or to a bound."""
