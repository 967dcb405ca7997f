"""Decisions since a group's last commit, read at a start without transactions.

A crash may come after the deciding record and before the commit. A decision by any process stays valid, so the next
process continues from it. Other records of the dead process belong to an undecided commit and are repeated. A
coordinate identifies a repeated output; `rows_undone` takes rows back before any new row is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.reading.bounded import read_range, read_since
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.kafka.transaction import split_metadata
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.protocol.headers import COMMIT_HEADER, header
from shadowstream.records import Headers, Partition, Write
from shadowstream.runner import commit_metadata

log = get_logger("adopting")


class NewestCommit(NamedTuple):
    """The newest decided commit of a task: its number, and the process that made it ("" if unknown)."""

    sequence: int
    incarnation: str


class DecidedRanges(NamedTuple):
    """The decided commits of the runner, and the counters that are not in the metadata of their commit."""

    committed: list[Committed]
    counters: dict[Partition, marks.Counters]


def ranges_decided(
    config: Config, client: AdminClient, committed: Sequence[Committed], fresh: Mapping[Partition, int]
) -> DecidedRanges:
    """Advance each of the runner's commits over the range marks that follow it without a gap.

    `fresh`: the beginnings of partitions that have records and no commit. Of other partitions without a commit nothing
    is decided. Raises `BrokerError` if the mark with the counters of a commit is gone.
    """
    topic = Partition(config.plan.of("progress"), 0)
    found: dict[Partition, Committed] = {}
    begin: dict[Partition, int] = {}
    named: dict[Partition, commit_metadata.CounterOverflow] = {}
    counters: dict[Partition, marks.Counters] = {}
    for one in committed:
        metadata, at = split_metadata(one.metadata)
        found[one.place] = one._replace(metadata=metadata)
        if one.offset < 0 and one.place not in fresh:
            continue
        begin[one.place] = max(at, 0)
        overflow = commit_metadata.overflow_of(metadata, one.offset)
        if overflow is not None:
            named[one.place] = overflow
    reached = {place: found[place].offset if found[place].offset >= 0 else fresh[place] for place in begin}
    keys = {marks.key_of(place) for place in begin}
    wanted, refusals = {topic: min(begin.values())} if begin else {}, Refusals()
    for message in read_since(config, client, "runner.decided", wanted):
        if message.key() not in keys:
            continue
        record = own_record("mark", message, refusals)
        if record is None or record["kind"] != "range":
            continue
        place = Partition(record["input_topic"], record["input_partition"])
        noted = commit_metadata.CounterOverflow(record["to_offset"], record["revision"])
        if named.get(place) == noted and offset_of(message) >= begin[place]:
            del named[place]  # the first of several counts
            counters[place] = marks.Counters.of(record["counters"])
        if reached.get(place) != record["from_offset"]:
            continue
        reached[place] = record["to_offset"]
        counters[place] = marks.Counters.of(record["counters"])
        metadata = commit_metadata.to_metadata(record["revision"], counters[place])
        found[place] = Committed(place, record["to_offset"], metadata)
        log.info("commit_recovered", place=str(place), to=record["to_offset"])
    if named:
        place, overflow = min(named.items())
        raise BrokerError(
            f"{topic}: no range mark of {place} to offset {overflow.offset}, although the group's commit names it; "
            "was the topic changed? Its retention.ms must be -1",
            fatal=True,
        )
    return DecidedRanges(list(found.values()), counters)


def advance(newest: dict[str, NewestCommit], records: Iterator[dict[str, Any]]) -> None:
    """Advance the newest commits over stats records in log order: the first record of each number counts."""
    for record in records:
        task, sequence = record["task"], record["seq"]
        commit = newest.get(task)
        if commit is None:
            continue
        names_author = sequence == commit.sequence and not commit.incarnation
        if names_author or sequence == commit.sequence + 1:
            newest[task] = NewestCommit(sequence, record["incarnation"])


def stats_between(
    config: Config, begins: Mapping[Partition, int], ends: Mapping[Partition, int]
) -> Iterator[dict[str, Any]]:
    refusals = Refusals()
    spans = {place: (begin, ends[place]) for place, begin in begins.items()}
    records = (own_record("stats", message, refusals) for message in read_range(config, "joiner.decided", spans))
    return (record for record in records if record is not None)


class LastRow(NamedTuple):
    """The last record of a key in a diff topic, and the last one that belongs to a decided commit."""

    last: Message
    decided: Message | None


def rows_undone(
    config: Config, client: AdminClient, newest: Mapping[str, NewestCommit], begins: Mapping[str, tuple[int, int]]
) -> list[Write]:
    """Return the records that take back rows of undecided commits: for each key its last decided row, or a tombstone.

    `begins`: by task the partition, and the offset below which neither such rows nor the rows that they replace are.
    """
    topics = [config.plan.of("diff"), *([config.plan.of("diff.json")] if config.compare.diff_json else [])]
    wanted: dict[Partition, int] = {}
    for partition, begin in begins.values():
        for topic in topics:
            # Offsets of diff are not those of diff.json, whose rows are written beside them.
            at = begin if topic == topics[0] else 0
            place = Partition(topic, partition)
            wanted[place] = min(at, wanted.get(place, at))
    rows: dict[tuple[Partition, bytes], LastRow] = {}
    for message in read_since(config, client, "joiner.rows", wanted) if wanted else ():
        which = place_of(message), message.key() or b""
        before = rows[which].decided if which in rows else None
        rows[which] = LastRow(message, message if _is_decided(message, newest) else before)
    return [_restoring(place, key, row.decided) for (place, key), row in rows.items() if row.last is not row.decided]


def _is_decided(message: Message, newest: Mapping[str, NewestCommit]) -> bool:
    """Return whether a row belongs to a decided commit; rows of other processes' tasks count as decided."""
    named = header(cast(Headers, message.headers()), COMMIT_HEADER)
    if named is None:
        return True
    try:
        sequence, incarnation, task = named.decode().split(" ", 2)
        number = int(sequence)
    except ValueError:  # another program wrote it
        return True
    commit = newest.get(task)
    if commit is None or number < commit.sequence:
        return True
    return number == commit.sequence and commit.incarnation in ("", incarnation)


def _restoring(place: Partition, key: bytes, row: Message | None) -> Write:
    if row is None:
        return Write(*place, key, None)
    return Write(*place, key, row.value(), max(0, row.timestamp()[1]), cast(Headers, row.headers()))
