"""Readers of topics outside any consumer group: whole topics, from the end backwards, or to a bound."""
