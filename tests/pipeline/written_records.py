"""What a trial has written, read back without a consumer of shadowstream."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from shadowstream.errors import BrokerError
from shadowstream.testing.topics import read_all


def records(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """Every record of one of shadowstream's own topics, decoded, by partition and offset."""
    from shadowstream.codecs import own  # not at the top: the checker of chaos imports this, and knows no codec of ours

    return [own.decode(read.value or b"")[1] for read in read_all(bootstrap, topic)]


def await_markers(bootstrap: str, prefix: str) -> None:
    """Return once no transaction is open below the present ends of the topics that begin with `prefix`.

    A commit returns when the coordinator has it; readers see its records once the marker is in each partition.
    """
    ends = _ends(bootstrap, prefix, "read_uncommitted")

    def closed() -> bool:
        visible = _ends(bootstrap, prefix, "read_committed")
        return all(visible[place] >= end for place, end in ends.items())

    await_that(f"transactions end in {prefix}*", closed)


def _ends(bootstrap: str, prefix: str, level: str) -> dict[tuple[str, int], int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends", "isolation.level": level, "log_level": 3})
    try:
        topics = consumer.list_topics(timeout=30.0).topics
        places = [(name, part) for name, of in topics.items() if name.startswith(prefix) for part in of.partitions]
        return {
            (name, part): consumer.get_watermark_offsets(TopicPartition(name, part), 30.0)[1] for name, part in places
        }
    finally:
        consumer.close()


def totals(stats: list[dict[str, Any]]) -> Counter[str]:
    """All outcomes that stats records add up to."""
    found: Counter[str] = Counter()
    for record in stats:
        for window in record["windows"]:
            found.update(window["outcomes"])
    return found


INPUTS = {"input", "input_failed", "input_undecodable"}
LATENCIES = {"latency_pairs", "latency_slower", "latency_over"}


def ended(stats: list[dict[str, Any]]) -> Counter[str]:
    """As `totals`, without the inputs and the latencies of pairs."""
    return Counter({name: n for name, n in totals(stats).items() if name not in INPUTS | LATENCIES})


def outcomes_of_rows(bootstrap: str, topic: str) -> Counter[str]:
    """Rows of diff by outcome; every row must have a pair id of its own."""
    rows = records(bootstrap, topic)
    assert len({row["pair_id"] for row in rows}) == len(rows), "a pair was said twice"
    return Counter(row["outcome"] for row in rows)


def ledgers(stats: list[dict[str, Any]]) -> dict[tuple[int, str], tuple[int, int]]:
    """Expected and counted by (ledger, place), as the last record of each task has them."""
    last = {record["task"]: record for record in sorted(stats, key=lambda record: record["seq"])}
    return {
        (line["ledger"], line["place"]): (line["expected"], line["counted"])
        for record in last.values()
        for line in record["ledgers"]
    }


def remainders(stats: list[dict[str, Any]]) -> dict[tuple[int, str], tuple[int, int]]:
    """The ledger lines that do not balance."""
    return {line: both for line, both in ledgers(stats).items() if both[0] != both[1]}


def await_that(what: str, holds: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Return once `holds` does; a topic that is not there yet holds nothing."""
    began = time.monotonic()
    while True:
        try:
            if holds():
                return
        except BrokerError:
            pass
        waited = time.monotonic() - began
        assert waited < limit_s, f"not within {limit_s:g} s: {what}"
        time.sleep(min(0.5, 0.1 + waited / 20))  # most read whole topics
