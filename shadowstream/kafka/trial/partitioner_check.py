"""Detection of production's partitioner from samples of its outputs at the start, and later checks of it."""

import contextlib
import time
from collections.abc import Callable, Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.client_log import repeated_later
from shadowstream.kafka.trial.topic_sampler import LIMIT_S, PER_PARTITION, Sampler
from shadowstream.logs import get_logger
from shadowstream.protocol.headers import ORIGIN_HEADER
from shadowstream.runner.partitioner_detection import (
    INPUT,
    REPARTITION,
    SAME,
    Choice,
    Evidence,
    EvidenceByKind,
    choose,
    contradiction,
)

log = get_logger("start")
SETTLE_S = 3.0  # the time to wait for more records if a sample is too small to be certain
SAMPLE_EVERY_S = 0.5
NO_EVIDENCE = "the sample holds no evidence"
CHECK_EVERY_S = 60.0
CHECK_SOON_S = 5.0  # the interval while an accident could still explain the sample
CHECK_PER_PARTITION = 200
CHECK_LIMIT_S = 2.0

KeepsRunning = Callable[[], bool]  # a function that is called each turn of a wait; False ends it


def settle(
    config: Config, client: AdminClient, earlier: Mapping[str, str], keeps_running: KeepsRunning
) -> dict[str, str] | None:
    """Return the kind of partitioner of each of production's output topics; None if `keeps_running` ended the wait.

    `earlier` holds the kinds that an earlier revision of this trial found. Raises `ConfigError` if the sample
    contradicts the config, or the kind that this trial began with.
    """
    if config.production.answer is not None:  # an input and its answer are one record
        return dict.fromkeys(config.production.outputs, INPUT)
    kinds = {}
    with contextlib.closing(Sampler(config, client)) as sampler:
        for topic in config.production.outputs:
            kind = _settle(config, sampler, topic, earlier.get(topic), keeps_running)
            if kind is None:
                return None
            kinds[topic] = kind
    return kinds


def _settle(
    config: Config, sampler: Sampler, topic: str, earlier: str | None, keeps_running: KeepsRunning
) -> str | None:
    configured, count = config.candidate.partitioner, sampler.counts[topic]
    if earlier == REPARTITION:
        if configured != "auto":
            raise ConfigError(
                f"candidate.partitioner: {configured}, but in this trial both sides of topic {topic!r} are copied and "
                "partitioned by identity; write partitioner: auto, or start under another name"
            )
        choice: Choice | None = Choice(REPARTITION, 0, True)
    elif config.candidate.topic is not None and sampler.counts[config.candidate.topic] != count:
        choice = _of_unequal_counts(config.candidate.topic, sampler, topic, configured)
    elif configured != "auto":
        choice = _as_configured(sampler, topic, configured)
    elif count == 1:
        choice = Choice(INPUT, 0, True)
    else:
        choice = _found(sampler, topic, config.candidate.topic, keeps_running)
    if choice is None:
        return None
    if config.compare.key and count > 1 and choice.kind not in (INPUT, REPARTITION):
        choice = choice._replace(kind=REPARTITION)  # elsewhere, two keys of a pair are two partitions
    if choice.kind == REPARTITION:
        _check_repartition(config, topic, earlier)
    log.info("partitioner_detected", topic=topic, **choice._asdict(), partitions=count, configured=configured)
    return choice.kind


def _check_repartition(config: Config, topic: str, earlier: str | None) -> None:
    if earlier not in (None, REPARTITION):
        why = (
            f"compare.key: topic {topic!r} is partitioned by key"
            if config.compare.key
            else f"topic {topic!r}: no known partitioner explains production's outputs any more"
        )
        raise ConfigError(
            f"{why}, and this trial began with {earlier}. Start anew under another name: both sides will then be "
            "copied by identity"
        )
    if config.twin is not None and config.compare.key:
        raise ConfigError(
            f"compare.key: topic {topic!r} is partitioned by key, so production and the candidate are copied by "
            f"identity, and would never match the twin's topic {config.twin.topic!r}. Remove compare.key or twin"
        )
    if config.twin is not None:
        raise ConfigError(
            f"twin: no known partitioner explains topic {topic!r} and {config.twin.topic!r}, so production and the "
            "candidate would be copied and never match the twin. Remove twin, or let both choose partitions by "
            "murmur2, CRC32 or their input's partition"
        )
    if config.identity.header == ORIGIN_HEADER:
        raise ConfigError(
            f"identity.header: {ORIGIN_HEADER!r} is the header in which copies of topic {topic!r} name their "
            "originals, and no known partitioner explains the topic, so it is copied; use another header"
        )


def _of_unequal_counts(adopted: str, sampler: Sampler, topic: str, configured: str) -> Choice:
    """Choose to copy both sides: no partitioner fits topics with different partition counts."""
    counts = f"{topic!r} has {sampler.counts[topic]} partitions and {adopted!r} has {sampler.counts[adopted]}"
    if configured != "auto":
        raise ConfigError(
            f"candidate.partitioner: {configured}, but {counts}: the records of a pair would be in different "
            "partitions and never match; write partitioner: auto, which copies both sides by identity"
        )
    log.warning("partitions_differ", topic=topic, candidate=adopted, reason=counts)
    return Choice(REPARTITION, 0, True)


def _as_configured(sampler: Sampler, topic: str, configured: str) -> Choice:
    """Return the configured kind; raise `ConfigError` if the sample contradicts it."""
    if sampler.counts[topic] == 1:
        return Choice(configured, 0, True)
    logs = sampler.evidence(topic)
    for name, weighed in logs.items():
        found = weighed[configured]
        # If the input's partition is known by its key only, single keys prove nothing: see `STRAYS_BY_KEY`.
        if found.contradicted or (found.exact and not found.survives):
            raise ConfigError(
                f"candidate.partitioner: {configured}, but {contradiction(name, found)}. "
                f"Their pairs would never match; {_instead(choose([*logs.values()]))}"
            )
    found_all = [weighed[configured] for weighed in logs.values()]
    keys = min(one.checked for one in found_all)
    if not keys:
        log.warning("partitioner_unproven", topic=topic, kind=configured, reason=NO_EVIDENCE)
    return Choice(configured, keys, all(one.certain for one in found_all))


def _kinds_apart(logs: Mapping[str, EvidenceByKind]) -> dict[str, str]:
    """Return the kind of each topic on its own, without comparing it to another topic."""
    ordinary = {name: {kind: one for kind, one in weighed.items() if kind != SAME} for name, weighed in logs.items()}
    return {name: choice.kind for name, weighed in ordinary.items() if (choice := choose([weighed])) is not None}


def _instead(choice: Choice | None) -> str:
    if choice is None or choice.kind == REPARTITION:
        return "write partitioner: auto, which copies both sides by identity: no known kind explains all keys"
    return f"write partitioner: {choice.kind}, which explains all {choice.keys} keys that could be checked, or auto"


def _found(sampler: Sampler, topic: str, adopted: str | None, keeps_running: KeepsRunning) -> Choice | None:
    """Detect the kind from samples; wait for production's first records, and shortly for more if they are few.

    `adopted` is the topic of an external candidate: without evidence its kind is `same` for now.
    """
    since: float | None = None
    waiting = False
    while keeps_running():
        over = sampler.production_is_done()  # before the sample, so that the sample is complete
        weighed = sampler.evidence(topic)
        choice = choose([*weighed.values()])
        if adopted is not None and (choice is None or (choice.kind == REPARTITION and adopted not in weighed)):
            # The job writes this topic, so no write waits for the kind: later checks repeat the question.
            log.warning("partitioner_unproven", topic=topic, kind=SAME, reason=NO_EVIDENCE)
            return Choice(SAME, 0, False)
        if choice is not None:
            since = time.monotonic() if since is None else since
            if choice.certain or over or time.monotonic() - since > SETTLE_S:
                if adopted is not None and choice.kind == REPARTITION:
                    log.warning("partitioners_differ", topic=topic, candidate=adopted, kinds=_kinds_apart(weighed))
                return choice
        elif over:
            log.warning("partitioner_unproven", topic=topic, kind=INPUT, reason="production is done without any output")
            return Choice(INPUT, 0, False)
        elif not waiting:
            waiting = True
            log.info("waiting_for_production", topic=topic, reason="its first records show its partitioner")
        deadline = time.monotonic() + SAMPLE_EVERY_S
        while keeps_running() and time.monotonic() < deadline:
            time.sleep(0.05)
    return None


class PartitionerRechecks:
    """Repeated check that production still uses the partitioners that the start mark has pinned."""

    def __init__(self, config: Config, client: AdminClient, kinds: Mapping[str, str]) -> None:
        self._config, self._client = config, client
        counts = offsets.partition_counts(client, kinds)
        self._kinds = {topic: kind for topic, kind in kinds.items() if kind != REPARTITION and counts[topic] > 1}
        self._next_at: float | None = None

    def turn(self, now_s: float) -> None:
        """Check, if it is time on a monotonic clock. Raises `ConfigError` if production contradicts a pinned kind."""
        if self._next_at is None:
            self._next_at = now_s + CHECK_SOON_S
        if not self._kinds or now_s < self._next_at:
            return
        self._next_at = now_s + CHECK_EVERY_S
        with repeated_later(lambda error: log.warning("partitioner_check_delayed", error=error)):
            certain = check(self._config, self._client, self._kinds, CHECK_PER_PARTITION, CHECK_LIMIT_S)
            self._next_at = now_s + (CHECK_EVERY_S if certain else CHECK_SOON_S)


def check(
    config: Config,
    client: AdminClient,
    kinds: Mapping[str, str],
    per_partition: int = PER_PARTITION,
    limit_s: float = LIMIT_S,
) -> bool:
    """Raise `ConfigError` if a sample contradicts the pinned kinds; return whether it proves them."""
    certain = True
    if config.production.answer is not None:
        return certain
    with contextlib.closing(Sampler(config, client, per_partition, limit_s)) as sampler:
        for topic, kind in kinds.items():
            if kind == REPARTITION or sampler.counts[topic] == 1:
                continue
            logs = sampler.evidence(topic)
            certain &= set(logs) >= sampler.others  # a topic without records proves nothing
            for name, weighed in logs.items():
                found = weighed.get(kind)
                if found is None:  # production's own topic has no evidence for `same`
                    continue
                if found.contradicted:
                    raise ConfigError(_changed(config, name, kind, found))
                if found.against:
                    log.warning("partitioner_strays", topic=name, kind=kind, keys=len(found.against), of=found.checked)
                certain &= found.certain
    return certain


def _changed(config: Config, name: str, kind: str, found: Evidence) -> str:
    configured = config.candidate.partitioner
    began = f"This trial began when {kind} explained production"
    why = f"candidate.partitioner: {configured}" if configured != "auto" else began
    return (
        f"{why}, but {contradiction(name, found)}. Their pairs would never match, so the role stops; start anew under "
        "another name with partitioner: auto"
    )
