"""Check of the identity at the start of a trial: it warns if production's newest records repeat or lack ids.

Such a trial never gets the verdict promote (`judge.verdict.identity_fit`). The log warns before the first pair.
"""

import contextlib
from collections import Counter

from confluent_kafka.admin import AdminClient

from shadowstream.compare.comparer import comparer_of
from shadowstream.compare.hooks import not_loaded
from shadowstream.config import Config
from shadowstream.errors import RecordError, ShadowstreamError
from shadowstream.joiner.intake.dedupe import DedupeWindow
from shadowstream.joiner.intake.header_fields import HeaderReader
from shadowstream.joiner.intake.repeat_outcome import outcomes_of_repeats
from shadowstream.judge.verdict.identity_fit import misfits
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.trial.topic_sampler import Sampler
from shadowstream.logs import get_logger
from shadowstream.protocol.join_id import Identity, no_id
from shadowstream.protocol.outcomes import Outcome, repeated, undecodable, unpairable
from shadowstream.records import Batch, Partition, Side

log = get_logger("start")
PER_PARTITION = 500
IN_ALL = 2_000
LIMIT_S = 2.0


def warn(config: Config, client: AdminClient) -> None:
    """Read the newest records of each of production's output topics, and warn if they do not fit the identity.

    The check is advice: an error of reading or decoding ends it with an info event. The joiner meets the error too.
    """
    with contextlib.closing(Sampler(config, client, limit_s=LIMIT_S)) as sampler:
        try:
            for topic in config.production.outputs:
                _warn_of_misfits(config, topic, sampled_outcomes(config, sampler, topic))
        except ShadowstreamError as error:
            log.info("identity_not_sampled", reason=str(error))


def _warn_of_misfits(config: Config, topic: str, outcomes: Counter[str]) -> None:
    records = sum(outcomes.values())
    for reason in misfits(config, outcomes):
        if no_id(config, Side.PRODUCTION) in reason:
            without = outcomes[unpairable(Side.PRODUCTION)]
            log.warning("identity_finds_nothing", topic=topic, records=records, without=without, reason=reason)
        else:
            again = outcomes[repeated(Side.PRODUCTION)]
            log.warning("identity_repeats", topic=topic, records=records, repeated=again, reason=reason)


def sampled_outcomes(config: Config, sampler: Sampler, topic: str) -> Counter[str]:
    """Count the outcomes of a topic's newest records, as if each that has an id matched."""
    identity = Identity(config, comparer_of(schema_source(config.schemas), config, not_loaded).decode)
    reader = HeaderReader(config, topic)
    limit = max(20, min(PER_PARTITION, IN_ALL // max(1, sampler.counts[topic])))
    seen: dict[Partition, DedupeWindow] = {}
    outcomes: Counter[str] = Counter()
    for batch in sampler.newest(topic, limit, True):
        plain, _ = reader.headed(Side.PRODUCTION, batch)
        window = seen.setdefault(batch.place, DedupeWindow(max(1, config.identity.dedupe_span)))
        outcomes.update(_ends(identity, window, plain))
    return outcomes


def _ends(identity: Identity, seen: DedupeWindow, batch: Batch) -> list[Outcome]:
    packed = [identity.packed(headers) for headers in batch.headers]
    coordinates = identity.coordinates(Side.PRODUCTION, batch, packed)
    ids = identity.ids(Side.PRODUCTION, batch, coordinates)
    repeats = outcomes_of_repeats(identity, seen, Side.PRODUCTION, batch, ids, coordinates)
    without = {RecordError: undecodable(Side.PRODUCTION), type(None): unpairable(Side.PRODUCTION)}
    present = (repeats[i].outcome if i in repeats else Outcome.MATCH for i in range(len(ids)))
    return [without.get(type(id_), outcome) for id_, outcome in zip(ids, present, strict=True)]
