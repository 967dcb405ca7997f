"""Parts of PromQL expressions. Each metric of a trial is looked up in the table, with its labels."""

import re

from shadowstream.metrics import PREFIX, TABLE

ANY_TRIAL = 'shadow=~".+"'
"""Matcher in every selector of a rule; the chart puts the trial's own name in its place."""
KNOWN = {metric.name: metric for metric in TABLE}
SUFFIXES = ("_bucket", "_count", "_sum")


def metric(name: str, *matchers: str, trial: str = ANY_TRIAL) -> str:
    """Return the selector of a metric of the table, by its name without the prefix.

    >>> metric("records_total", 'outcome="evicted"')
    'shadowstream_records_total{shadow=~".+",outcome="evicted"}'
    """
    family = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.removesuffix(suffix) in KNOWN), name)
    labels = {"shadow", "le", *KNOWN[family].labels}
    unknown = [one for one in matchers if re.split("[=!]", one)[0] not in labels]
    if unknown:
        raise ValueError(f"{name} has the labels {sorted(labels)}, not those of {unknown}")
    return f"{PREFIX}{name}{{{','.join((trial, *matchers))}}}"


def new_events(selector: str, window: str = "15m") -> str:
    """Return by how much counters rose within a window. A series that began within it counts in full.

    `increase()` alone misses the first event of a series that begins with it.
    """
    return f"(({selector} unless {selector} offset {window}) or increase({selector}[{window}]))"
