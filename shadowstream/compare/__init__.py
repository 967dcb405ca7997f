"""Comparison of production's and the candidate's values. Pure.

>>> from shadowstream.config import Rule
>>> rules = RuleSet([Rule(path="model", ignore=True), Rule(path="score", atol=0.001)])
>>> compare_rows({"score": 0.25, "model": "a"}, {"score": 0.2505, "model": "b"}, rules).outcome
'tolerated'
"""

from shadowstream.compare.by_column import compare_columns
from shadowstream.compare.by_value import compare_rows
from shadowstream.compare.pairs import compare_pairs
from shadowstream.compare.result import Difference, PairResult, Undecodable
from shadowstream.compare.rules import RuleSet

__all__ = [
    "Difference",
    "PairResult",
    "RuleSet",
    "Undecodable",
    "compare_columns",
    "compare_pairs",
    "compare_rows",
]
