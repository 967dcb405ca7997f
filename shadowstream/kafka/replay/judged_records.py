"""Records of production as a trial judged them, read from its topics outside any group."""

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.judge.paired.judged_records import JudgedRecords
from shadowstream.kafka.reading.topic_reader import TopicMissing, stream_topic
from shadowstream.kafka.refused_records import usable
from shadowstream.kafka.trial import bound_topics
from shadowstream.protocol import marks


def judged_records(config: Config, revision: str, timeout_s: float) -> JudgedRecords:
    """Read the judged records of one revision.

    Raises `ConfigError` if the revision has no verdict with a closed window, or too many records differ, and
    `BrokerError` if the cluster does not answer.
    """
    starts = bound_topics.read_starts(config, timeout_s)
    bound_topics.refuse_other_topics(config, starts, revision)
    begin = starts.of.get(revision)
    found = JudgedRecords(
        config.name, revision, _end(config, revision, timeout_s), marks.ends_of(begin) if begin else {}
    )
    diff, stats = config.plan.of("diff"), config.plan.of("stats")
    # The windows first: a record that is judged in between has a row, and no window counts it yet.
    for row in usable(stream_topic(config.kafka, stats, timeout_s), stats, "stats"):
        for window in row.record["windows"]:
            found.add_window(window)
    for row in usable(stream_topic(config.kafka, diff, timeout_s), diff, "diff"):
        found.add_row(row.record)
    return found


def _end(config: Config, revision: str, timeout_s: float) -> int:
    """Return the end of the last closed window of a revision's newest verdict."""
    newest = None
    try:
        for row in stream_topic(config.kafka, config.plan.of("verdict"), timeout_s):
            if row.key == revision.encode() and row.value is not None:
                newest = row.value
    except TopicMissing:
        newest = None
    end_ms = None if newest is None else own.read("verdict", newest)["to_ms"]
    if end_ms is None:
        raise ConfigError(
            f"trial {config.name!r} has no verdict of revision {revision[:16]} with a closed window: nothing can be "
            "compared yet. Check with `status` that it runs with this config"
        )
    return int(end_ms)
