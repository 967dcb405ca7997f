"""Without transactions: what has been decided since a group's last commit, taken up by whoever starts.

A crash may come after the deciding record and before the commit. What has been decided stands, so it is gone on from,
whoever has decided it. What the dead one had written for a commit that it did not live to decide is left to be
repeated: outputs are told by their coordinate, and rows are taken back (`rows_undone`) before anything else is said.
"""

from __future__ import annotations

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


class Head(NamedTuple):
    """The newest commit of a task that counts: its number and who has made it ("" where that is not known)."""

    sequence: int
    incarnation: str


class Ranges(NamedTuple):
    """The runner's commits as far as they are decided, and the counters of those whose metadata does not hold them."""

    committed: list[Committed]
    counters: dict[Partition, marks.Counters]


def ranges_decided(
    config: Config, client: AdminClient, committed: Sequence[Committed], fresh: Mapping[Partition, int]
) -> Ranges:
    """The runner's commits, each moved on by the range marks that follow it without a gap. `fresh`: where a place
    begins of which nothing is committed although it has records; of another one nothing is decided. Raises
    `BrokerError` where counters are not in the mark that decided."""
    topic = Partition(config.plan.of("progress"), 0)
    found: dict[Partition, Committed] = {}
    begin: dict[Partition, int] = {}
    named: dict[Partition, commit_metadata.Overflow] = {}
    counters: dict[Partition, marks.Counters] = {}
    for one in committed:
        own_part, at = split_metadata(one.metadata)
        found[one.place] = one._replace(metadata=own_part)
        if one.offset < 0 and one.place not in fresh:
            continue
        begin[one.place] = max(at, 0)
        overflow = commit_metadata.overflow_of(own_part, one.offset)
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
        noted = commit_metadata.Overflow(record["to_offset"], record["revision"])
        if named.get(place) == noted and offset_of(message) >= begin[place]:
            del named[place]  # of several the first counts
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
    return Ranges(list(found.values()), counters)


def chained(heads: dict[str, Head], records: Iterator[dict[str, Any]]) -> None:
    """Move the heads on over stats records in the order of their log: of each number the first counts."""
    for record in records:
        task, sequence = record["task"], record["seq"]
        head = heads.get(task)
        named = head is not None and sequence == head.sequence and not head.incarnation
        if head is not None and (named or sequence == head.sequence + 1):
            heads[task] = Head(sequence, record["incarnation"])


def stats_between(
    config: Config, begins: Mapping[Partition, int], ends: Mapping[Partition, int]
) -> Iterator[dict[str, Any]]:
    """Stats records of these stretches."""
    refusals = Refusals()
    spans = {place: (begin, ends[place]) for place, begin in begins.items()}
    for message in read_range(config, "joiner.decided", spans):
        record = own_record("stats", message, refusals)
        if record is not None:
            yield record


class LastRow(NamedTuple):
    """The last record of a key in a diff topic, and the last one of it that belongs to a commit that counts."""

    last: Message
    counted: Message | None


def rows_undone(
    config: Config, client: AdminClient, heads: Mapping[str, Head], begins: Mapping[str, tuple[int, int]]
) -> list[Write]:
    """What takes back the rows of commits that were never decided: of each such key its last row that counts once
    more, or a tombstone. `begins`: by task the partition and the offset from which on such rows, and what they
    replace, can lie."""
    topics = [config.plan.of("diff"), *([config.plan.of("diff.json")] if config.compare.diff_json else [])]
    wanted: dict[Partition, int] = {}
    for partition, begin in begins.values():
        for topic in topics:
            # Offsets of diff say nothing of diff.json, whose rows are written beside them.
            at = begin if topic == topics[0] else 0
            place = Partition(topic, partition)
            wanted[place] = min(at, wanted.get(place, at))
    rows: dict[tuple[Partition, bytes], LastRow] = {}
    for message in read_since(config, client, "joiner.rows", wanted) if wanted else ():
        which = place_of(message), message.key() or b""
        before = rows[which].counted if which in rows else None
        rows[which] = LastRow(message, message if _counts(message, heads) else before)
    return [_once_more(place, key, row.counted) for (place, key), row in rows.items() if row.last is not row.counted]


def _counts(message: Message, heads: Mapping[str, Head]) -> bool:
    """Whether a row belongs to a commit that counts; those of tasks that are not ours are left alone."""
    translated_errors = header(cast(Headers, message.headers()), COMMIT_HEADER)
    if translated_errors is None:
        return True
    try:
        sequence, incarnation, task = translated_errors.decode().split(" ", 2)
        number = int(sequence)
    except ValueError:  # nobody of ours wrote it
        return True
    head = heads.get(task)
    if head is None or number < head.sequence:
        return True
    return number == head.sequence and head.incarnation in ("", incarnation)


def _once_more(place: Partition, key: bytes, row: Message | None) -> Write:
    if row is None:
        return Write(place.topic, place.partition, key, None)
    return Write(
        place.topic, place.partition, key, row.value(), max(0, row.timestamp()[1]), cast(Headers, row.headers())
    )
