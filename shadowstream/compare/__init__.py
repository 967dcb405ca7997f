"""Comparison of production's and the candidate's values. Pure.

>>> from shadowstream.compare import RuleSet, compare_rows
>>> from shadowstream.config import Rule
>>> rules = RuleSet([Rule(path="model", ignore=True), Rule(path="score", atol=0.001)])
>>> compare_rows({"score": 0.25, "model": "a"}, {"score": 0.2505, "model": "b"}, rules).outcome
'tolerated'
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shadowstream.compare.by_column import compare_columns
    from shadowstream.compare.by_value import compare_rows
    from shadowstream.compare.pairs import compare_pairs
    from shadowstream.compare.result import Difference, PairResult, Undecodable
    from shadowstream.compare.rules import RuleSet

_MODULES = {
    "Difference": "result",
    "PairResult": "result",
    "RuleSet": "rules",
    "Undecodable": "result",
    "compare_columns": "by_column",
    "compare_pairs": "pairs",
    "compare_rows": "by_value",
}

__all__ = [
    "Difference",
    "PairResult",
    "RuleSet",
    "Undecodable",
    "compare_columns",
    "compare_pairs",
    "compare_rows",
]


def __getattr__(name: str) -> object:
    """Import a name when it is used: a command that compares nothing loads no columns."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
