"""What a trial has written, read back without a consumer of shadowstream."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, not in __all__

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
    ends = _ends(bootstrap, prefix, IsolationLevel.READ_UNCOMMITTED)

    def closed() -> bool:
        visible = _ends(bootstrap, prefix, IsolationLevel.READ_COMMITTED)
        return all(visible[place] >= end for place, end in ends.items())

    await_that(f"transactions end in {prefix}*", closed)


def _ends(bootstrap: str, prefix: str, level: IsolationLevel) -> dict[tuple[str, int], int]:
    """Ends by place, asked for in one request."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
    topics = admin.list_topics(timeout=30.0).topics
    found = [topics[name] for name in topics if name.startswith(prefix)]
    places = [TopicPartition(one.topic, partition) for one in found for partition in one.partitions]
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # theirs
    answers = admin.list_offsets(dict.fromkeys(places, latest), isolation_level=level)
    return {(place.topic, place.partition): answer.result(30.0).offset for place, answer in answers.items()}


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
