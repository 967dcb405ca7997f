"""Check that topics under the trial's prefix hold no records of others before the trial begins: none is adopted."""

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config, Principal
from shadowstream.errors import RecordError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import bounded_consumer
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.least_rights import Operation, Resource, needed, rights_of
from shadowstream.kafka.reading.bounded import NotReadToEnd, ignore, read_spans, within
from shadowstream.kafka.trial import start_log
from shadowstream.protocol.headers import ORIGIN_HEADER, PACKED_HEADER
from shadowstream.records import Partition
from shadowstream.topics import TopicPlan

LOOKED_AT = 20
"""Offsets at the beginning of each partition that are read: the first of them may be control records."""
LIMIT_S = 5.0


def foreign_findings(
    client: AdminClient, config: Config, principal: Principal, found: Mapping[str, int]
) -> list[Finding]:
    """Return a finding for each topic of the trial that holds a record of others, among those the principal reads.

    `found`: the partition counts of the topics that the cluster shows. Raises `BrokerError`.

    A trial that has begun owns its topics: a foreign record in them is refused as a record.
    """
    plan, rights = config.plan, rights_of(config, principal)
    if _has_begun(config, principal, found):
        return []
    readable = [
        topic
        for topic in sorted(found)
        if _is_checked(plan, topic) and Operation.READ in needed(rights, Resource.TOPIC, topic)
    ]
    for topic in readable:
        for message in _first(client, config, principal, {topic: found[topic]}):
            if not _is_own(plan, message):
                # It may have begun while its topics were read. The long `progress` is read only here.
                if _has_begun(config, principal, found) or _began_in_progress(client, config, principal, found):
                    return []
                place = f"{place_of(message)}/{offset_of(message)}"
                text = f"topic {topic} holds records that shadowstream did not write; it is not adopted"
                words = f"kafka-topics --bootstrap-server {config.kafka.bootstrap} --delete --topic {topic}"
                fix = f"{words} (or give the trial another name)"
                return [Finding("foreign_records", Severity.REFUSE, text, place, fix)]
    return []


def _has_begun(config: Config, principal: Principal, existing: Collection[str]) -> bool:
    """Whether `starts` holds a mark of a start, whatever else it holds."""
    if config.plan.of("starts") not in existing:
        return False
    starts = start_log.read(config, f"{principal}.foreign")
    return starts.moved or bool(starts.begun or starts.of)


def _began_in_progress(client: AdminClient, config: Config, principal: Principal, existing: Mapping[str, int]) -> bool:
    """Whether `progress` holds a start mark of an earlier release, which the runner has not moved to `starts` yet.

    A principal that may not read `progress` sees only whether it holds records: the runner decides about those.
    """
    topic = config.plan.of("progress")
    if topic not in existing:
        return False
    if Operation.READ not in needed(rights_of(config, principal), Resource.TOPIC, topic):
        places = offsets.places({topic: existing[topic]})
        return any(offsets.ends(client, places).values())
    found = start_log.in_progress(config, f"{principal}.foreign")
    return found is not None and bool(found.of)


def _is_checked(plan: TopicPlan, topic: str) -> bool:
    """Whether records of a topic show who wrote them; dead letters are raw."""
    return topic.startswith(plan.prefix) and not topic.startswith((plan.dead_letter(""), plan.of("diff.json")))


def _first(client: AdminClient, config: Config, principal: Principal, counts: dict[str, int]) -> list[Message]:
    places = offsets.places(counts)
    lows, ends = offsets.beginnings(client, places), offsets.ends(client, places)
    spans = {at: (lows[at], min(ends[at], lows[at] + LOOKED_AT)) for at in places if lows[at] < ends[at]}
    messages: dict[Partition, Message] = {}
    if not spans:
        return []
    consumer = bounded_consumer(config.kafka, config.plan, f"{principal}.foreign")
    with contextlib.closing(consumer), contextlib.suppress(NotReadToEnd):
        for polled in read_spans(consumer, spans, within(LIMIT_S), ignore, short=True):
            for message in polled.records:
                messages.setdefault(place_of(message), message)
    return list(messages.values())


def _is_own(plan: TopicPlan, message: Message) -> bool:
    headers: Any = message.headers() or ()
    topic, names = place_of(message).topic, {name for name, _ in headers}
    if topic.startswith(plan.out("")):
        return bool(names & {PACKED_HEADER, ORIGIN_HEADER})
    if topic.startswith(plan.repartition("")):
        return ORIGIN_HEADER in names
    value = message.value()
    if value is None:
        return True  # a tombstone
    try:
        own.decode(value)
    except RecordError:
        return False
    return True
