"""Figures of the parts of a trial: values of dimensions, and records that criteria with `where` or `topic` count.

A part is a prefix of a figure's name, so that parts are summed, corrected and stored as any other figure:

====================================  ==================================================
figure                                is
====================================  ==================================================
value ␟ dimension ␟ value ␟ name      a figure of one value of a declared dimension
scope ␟ topic ␞ slice ␟ name          a figure of the records that a criterion asks for
====================================  ==================================================

The separators are control characters (unit and record separator), which names hardly ever contain.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from shadowstream.config import Criterion

_UNIT, _RECORD = "\x1f", "\x1e"
VALUE, SCOPE = f"value{_UNIT}", f"scope{_UNIT}"
PAIRS, BAD = "n", "s"
"""Figures of a value from its slice: compared pairs and differing pairs."""


def value_figures(delta: Mapping[str, Any]) -> dict[str, int]:
    """Return the figures by value of a dimension of one window of a stats record (schemas/stats.avsc)."""
    figures: dict[str, int] = {}
    for entry in delta.get("slices", ()):
        if len(entry["dimensions"]) == 1:
            head = f"{VALUE}{entry['dimensions'][0]}{_UNIT}{entry['values'][0]}{_UNIT}"
            figures[head + PAIRS], figures[head + BAD] = entry["n"], entry["s"]
    for entry in delta.get("values", ()):
        head = f"{VALUE}{entry['dimension']}{_UNIT}{entry['value']}{_UNIT}"
        figures |= {head + name: n for name, n in entry["figures"].items()}
    return figures


def scope_of(criterion: Criterion) -> str:
    """Return the prefix of the figures of a criterion; empty if it counts everything.

    >>> scope_of(Criterion(rate="mismatch", limit=0.01))
    ''
    """
    if not (criterion.topic or criterion.where):
        return ""
    return f"{SCOPE}{criterion.topic or ''}{_RECORD}{criterion.slice}{_UNIT}"


def scoped(scope: str, figures: Mapping[str, int]) -> dict[str, int]:
    """Return the figures of a slice that a criterion counts, over all topics."""
    return {f"{SCOPE}{_RECORD}{scope}{_UNIT}{name}": n for name, n in figures.items()}


def of_topic(topic: str, figures: Mapping[str, int]) -> dict[str, int]:
    """Return the figures of one task again, as figures of its topic."""
    head = SCOPE + _RECORD
    topic_figures = {}
    for name, n in figures.items():
        if name.startswith(head):
            topic_figures[f"{SCOPE}{topic}{_RECORD}{name.removeprefix(head)}"] = n
        elif not _is_value(name):
            topic_figures[f"{SCOPE}{topic}{_RECORD}{_UNIT}{name}"] = n
    return topic_figures


def outcomes_by_topic(figures: Mapping[str, int]) -> dict[str, Counter[str]]:
    """Return by output topic the outcomes that `of_topic` has counted.

    >>> outcomes_by_topic(of_topic("out", {"match": 2}))
    {'out': Counter({'match': 2})}
    """
    outcomes: dict[str, Counter[str]] = {}
    for name, n in figures.items():
        topic, of_all, figure = name.removeprefix(SCOPE).partition(_RECORD + _UNIT)
        if of_all and topic and name.startswith(SCOPE):
            outcomes.setdefault(topic, Counter())[figure] += n
    return outcomes


def is_part(name: str) -> bool:
    """Return whether a figure belongs to a part of the trial."""
    return name.startswith((VALUE, SCOPE))


def folded(figures: Mapping[str, int], dimensions: Collection[str], values_max: int) -> Counter[str] | None:
    """Fold the exact values of each dimension that `by_value` would not keep; None if there are none.

    This bounds the memory of a dimension with any number of values. The time of folding does not matter: a dropped
    value has a greater hash than all kept ones, and would be dropped later as well.
    """
    values = {(name, value) for name, value, _ in map(_parsed, filter(_is_value, figures))}
    if all(sum(name == dimension for name, _ in values) <= values_max + 1 for dimension in dimensions):
        return None
    kept = Counter({name: n for name, n in figures.items() if not _is_value(name)})
    for (dimension, value), counts in by_value(figures, dimensions, values_max).items():
        kept.update({f"{VALUE}{dimension}{_UNIT}{value}{_UNIT}{name}": n for name, n in counts.items()})
    return kept


def _is_value(name: str) -> bool:
    return name.startswith(VALUE)


def _parsed(name: str) -> tuple[str, str, str]:
    """Split a name into dimension, value and figure."""
    dimension, _, rest = name.removeprefix(VALUE).partition(_UNIT)
    value, _, figure = rest.rpartition(_UNIT)
    return dimension, value, figure


def by_value(
    figures: Mapping[str, int], dimensions: Collection[str], values_max: int
) -> dict[tuple[str, str], Counter[str]]:
    """Return the figures by dimension and value, at most `values_max` exact values of a dimension
    (`compare.dimension_codes`).
    """
    # A local import, because it loads NumPy, which readers of a verdict do not need.
    from shadowstream.compare.dimension_codes import OTHER, least

    exact_counts: dict[tuple[str, str], Counter[str]] = {}
    for name, n in figures.items():
        if _is_value(name):
            dimension, value, figure = _parsed(name)
            if dimension in dimensions:
                exact_counts.setdefault((dimension, value), Counter())[figure] += n
    exact = {
        dimension: least((value for name, value in exact_counts if name == dimension), values_max)
        for dimension in dimensions
    }
    folded: dict[tuple[str, str], Counter[str]] = {}
    for (dimension, value), counts in exact_counts.items():
        kept = value if value in exact[dimension] else OTHER
        folded.setdefault((dimension, kept), Counter()).update(counts)
    return folded
