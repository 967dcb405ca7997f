"""`compare --follow`: rounds over two topics that grow, until Ctrl-C or the end of the range."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace

from shadowstream.cli.compare_output import round_line
from shadowstream.cli.output import say
from shadowstream.errors import ConfigError
from shadowstream.kafka.topic_pairs.comparison import Comparison, Options
from shadowstream.kafka.topic_pairs.following import Following, Rounds
from shadowstream.kafka.topic_pairs.read_topic import Range
from shadowstream.topic_pairs.tally import Tally


def from_now(within: Range) -> Range:
    """Return the range that is followed: without --from it begins now. Raises `ConfigError` for an end by offset."""
    if within.end_offset is not None:
        raise ConfigError("--follow ends at a time: give --to as event time (ISO 8601), or end it by Ctrl-C")
    if within.begin_ms is None and within.begin_offset is None:
        return replace(within, begin_ms=round(time.time() * 1000))
    return within


def refuse_followed(options: Options) -> None:
    """Raise `ConfigError` for what needs all records of an id at once."""
    if not options.in_turn or options.order:
        raise ConfigError(
            "--follow pairs the n-th record of an id with the n-th: compacted topics need --every-record, and "
            "--id occurrence and --order need a range that has ended (--from, --to)"
        )


def followed(comparison: Comparison, every_s: float) -> Tally:
    """Follow both topics to --to, or to Ctrl-C or SIGTERM, each of which ends with the result so far."""
    over = threading.Event()

    def end(number: int, _: object) -> None:
        over.set()
        signal.signal(number, signal.SIG_DFL)  # a second Ctrl-C ends a round that takes long

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, end)
    within = comparison.options.within
    patience_s = within.margin_ms / 1000
    until_ms = None if within.end_ms is None else within.end_ms + within.margin_ms
    rounds = Rounds(every_s, patience_s, over.wait, lambda tally: say(round_line(tally)), say, until_ms)
    return Following(comparison, rounds).run()
