"""Checks of the cluster by the doctor: topics, their settings and copies, commits, and samples of real records."""

import contextlib
import time
from collections.abc import Iterator

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.judge.verdict.identity_fit import misfits
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.schema_checks import schema_findings
from shadowstream.kafka.trial import identity_sample, topic_admin
from shadowstream.kafka.trial.topic_sampler import Sampler
from shadowstream.runner.partitioner_detection import REPARTITION, choose

SAMPLED = 500
MARGIN_MS = 3_600_000


def topic_findings(client: AdminClient, config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the trial's topics and those that it reads. The client: the operator's."""
    surveyed = topic_admin.survey(client, config)
    missing = [state.spec.name for state in surveyed if state.partitions is None]
    if missing:
        text = f"{len(missing)} topics of the trial do not exist yet"
        yield Finding("topics", Severity.NOTE, text, ", ".join(missing[:3]), "shadowstream topics apply")
    for state in surveyed:
        topic = state.spec.name
        fix = topic_admin.alter_command(config, topic, state.differing) if state.differing else ""
        for problem in state.problems:
            yield Finding("topics", Severity.REFUSE, f"topic {topic} {problem}", "", fix)
        for note in state.notes:
            yield Finding("topics", Severity.WARN, f"topic {topic} {note}", "", fix)
    yield from _of_sources(client, config)
    yield from _of_brokers(client, [state.spec.name for state in surveyed if state.partitions is not None], config)


def _of_sources(client: AdminClient, config: Config) -> Iterator[Finding]:
    needed_ms = config.correctable_ms + config.grace_ms
    settings = topic_admin.settings_of(client, topic_admin.sources_of(config))
    for topic in topic_admin.sources_of(config):
        found = settings.get(topic)
        if found is None:
            yield Finding(
                "settings", Severity.NOTE, f"the settings of topic {topic} cannot be seen", "no DescribeConfigs"
            )
            continue
        kept_ms = int(found.get("retention.ms", "-1"))
        if 0 <= kept_ms < needed_ms:
            text = f"topic {topic} is kept for {kept_ms / 3_600_000:.4g} h, and a correction may need records of "
            text += f"{needed_ms / 3_600_000:.4g} h (correctable_ms and grace_ms)"
            fix = topic_admin.alter_command(config, topic, [("retention.ms", str(needed_ms))])
            yield Finding("retention", Severity.WARN, text, f"retention.ms={kept_ms}", fix)
        policy, lag_ms = found.get("cleanup.policy", "delete"), int(found.get("min.compaction.lag.ms", "0"))
        if "compact" in policy and lag_ms < needed_ms:
            text = f"topic {topic} is compacted: a record may vanish unread, and then counts as never written"
            evidence = f"cleanup.policy={policy}, min.compaction.lag.ms={lag_ms}"
            fix = topic_admin.alter_command(config, topic, [("min.compaction.lag.ms", str(needed_ms))])
            yield Finding("cleanup", Severity.WARN, text, evidence, fix)


def _of_brokers(client: AdminClient, own: list[str], config: Config) -> Iterator[Finding]:
    """Yield partitions without a leader, and topics of the trial with fewer copies than production's."""
    sources = list(topic_admin.sources_of(config))
    with translated_errors("describe_topics"):
        asked = client.describe_topics(TopicCollection([*sources, *own]), request_timeout=offsets.TIMEOUT_S)
        described = {topic: future.result(offsets.TIMEOUT_S) for topic, future in asked.items()}
    bare = [f"{topic}/{part.id}" for topic, found in described.items() for part in found.partitions if not part.leader]
    if bare:
        text = f"{len(bare)} partitions have no leader: nobody can read or write them, and checks of them wait in vain"
        fix = "start the brokers that hold them; `kafka-topics --describe --unavailable-partitions` lists all"
        yield Finding("leaders", Severity.WARN, text, ", ".join(bare[:3]), fix)
    copies = {topic: min(len(part.replicas) for part in found.partitions) for topic, found in described.items()}
    wanted = min(copies[topic] for topic in sources)
    fewer = sorted(topic for topic in own if copies[topic] < wanted)
    if fewer:
        text = f"{len(fewer)} topics of the trial have fewer copies than production's, which have {wanted}"
        fix = f"remove them with `shadowstream down` and run `shadowstream topics apply --replication {wanted}`"
        yield Finding("replication", Severity.WARN, text, ", ".join(fewer[:3]), fix)


def sample_findings(client: AdminClient, config: Config) -> Iterator[Finding]:
    """Yield what samples of real records show. The client: the runner's."""
    yield from _of_commits(client, config)
    with contextlib.closing(Sampler(config, client, SAMPLED)) as sampler:
        for topic in config.production.outputs:
            yield from _of_identity(config, sampler, topic)
            yield from _of_partitioner(config, sampler, topic)
        yield from _of_times(config, sampler)
        yield from schema_findings(config, sampler)


def _of_commits(client: AdminClient, config: Config) -> Iterator[Finding]:
    group = config.production.group
    if group is None:
        return
    counts = offsets.partition_counts(client, config.inputs)
    without = set(offsets.places(counts)) - offsets.committed(client, group, offsets.places(counts)).keys()
    if without:
        text = f"production.group {group} has no commits on {len(without)} partitions of the inputs"
        named = ", ".join(map(str, sorted(without)[:3]))
        yield Finding("commits", Severity.WARN, text, named, "check production.group; production commits there first")


def _of_identity(config: Config, sampler: Sampler, topic: str) -> Iterator[Finding]:
    outcomes = identity_sample.sampled_outcomes(config, sampler, topic)
    records = f"{sum(outcomes.values())} records of {topic} were sampled"
    for reason in misfits(config, outcomes):
        repeats_keys = config.identity.kind == "key" and "repeat a key" in reason
        fix = "identity: {kind: occurrence}" if repeats_keys else "choose another identity; docs/pairing.md lists them"
        yield Finding("identity", Severity.WARN, f"topic {topic}: {reason}", records, fix)


def _of_partitioner(config: Config, sampler: Sampler, topic: str) -> Iterator[Finding]:
    if sampler.counts[topic] == 1 or config.candidate.partitioner != "auto":
        return
    choice = choose([*sampler.evidence(topic).values()])
    if choice is not None and choice.kind == REPARTITION:
        copies = config.plan.repartition(topic)
        text = f"topic {topic}: no known partitioner explains its records, so both sides will be copied to {copies}"
        yield Finding("partitioner", Severity.NOTE, text, f"{choice.keys} keys")


def _of_times(config: Config, sampler: Sampler) -> Iterator[Finding]:
    now_ms = time.time() * 1000
    for topic in config.inputs:
        newest = max((max(batch.times_ms) for batch in sampler.newest(topic, 100, False) if batch.times_ms), default=0)
        if newest - now_ms > config.future_ms_max:
            ahead = f"{(newest - now_ms) / 3_600_000:.4g} h"
            text = f"topic {topic} has records dated {ahead} ahead of this machine's clock; they move no watermark"
            fix = f"set the clocks of its producers by NTP, or future_ms_max: {round(newest - now_ms) + MARGIN_MS}"
            yield Finding("clock", Severity.WARN, text, "", fix)
