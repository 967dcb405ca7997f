"""Distributions of declared fields: the candidate's beside production's, and each side's over time; never a gate."""
