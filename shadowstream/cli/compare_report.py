"""`compare --report`: the result as an HTML page."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import NamedTuple

from shadowstream import extras
from shadowstream.cli.output import say
from shadowstream.cli.written_file import refuse_unwritable, unwritable
from shadowstream.config import Compare, Identity
from shadowstream.kafka.topic_pairs.comparison import Comparison
from shadowstream.kafka.topic_pairs.read_topic import Range
from shadowstream.masking import without_userinfo
from shadowstream.status.words import time_text


class Terms(NamedTuple):
    """The terms of a comparison. `latest`: only the last record of each id counts. `follow`: the topics grew."""

    rules: Compare
    identity: Identity
    latest: bool
    follow: bool


def refuse_unusable(path: Path) -> None:
    """Raise `ConfigError` if a library lacks or the file cannot be written; leave the file as it is."""
    extras.require("`compare --report`", "report")
    refuse_unwritable("--report", path)


def write(path: Path, comparison: Comparison, terms: Terms) -> None:
    """Write the page. Raises `ConfigError`."""
    from shadowstream.report.comparison import ComparedTopics, page  # a local import: it loads the template engine

    first, second = comparison.topics
    within = comparison.options.within
    about = {
        "A": f"{first.name} on {first.kafka.bootstrap}",
        "B": f"{second.name} on {second.kafka.bootstrap}",
        "range": _range_text(within, follow=terms.follow),
        "paired": _pairing_text(terms),
        "page made": f"{time_text(round(time.time() * 1000))} UTC",
    }
    command = shlex.join(["shadowstream", *map(without_userinfo, sys.argv[1:])])
    is_open = terms.follow or (within.end_ms is None and within.end_offset is None)
    names = first.name, second.name
    text = page(ComparedTopics(names, comparison.tally, terms.rules, about, command, comparison.spans, is_open))
    try:
        path.write_text(text, "utf-8", "backslashreplace")
    except OSError as error:
        raise unwritable("--report", path, error) from error
    say(f"report: {path}")


def _range_text(within: Range, *, follow: bool) -> str:
    begin, end = "from the first record", "to the end" if follow else "to the end at the start of the command"
    if within.begin_offset is not None:
        begin = f"from offset {within.begin_offset:,} of each partition"
    elif within.begin_ms is not None:
        begin = f"from {time_text(within.begin_ms)} UTC"
    if within.end_offset is not None:
        end = f"before offset {within.end_offset:,} of each partition"
    elif within.end_ms is not None:
        end = f"before {time_text(within.end_ms)} UTC"
    margin = f"{within.margin_ms / 1000:g} s"
    text = f"{begin}, {end}"
    if within.begin_ms is not None or within.end_ms is not None:
        text += f"; partners are found up to {margin} outside it"
    return f"{text}; followed, each record waited up to {margin} for its partner" if follow else text


def _pairing_text(terms: Terms) -> str:
    identity = terms.identity
    name = f"header {identity.header}" if identity.header else f"field {identity.path}" if identity.path else "key"
    if terms.latest:
        return f"by {name}: the last record of each in A and in B"
    if identity.kind == "occurrence":
        return f"by {name}: records at most {identity.tolerance_ms / 1000:g} s apart"
    return f"by {name}: the n-th record of each in A with the n-th in B"
