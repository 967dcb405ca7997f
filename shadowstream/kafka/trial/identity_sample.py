"""Say at the start of a trial what the identity makes of production's newest records: repeats, or no id at all.

The verdict will not be promote then (`judge.verdict.identity_fit`), and the log says so before the first pair.
"""

from __future__ import annotations

from collections import Counter

from confluent_kafka.admin import AdminClient

from shadowstream.compare.comparer import comparer_of
from shadowstream.config import Config
from shadowstream.errors import RecordError, ShadowstreamError
from shadowstream.joiner.intake.dedupe import DedupeWindow
from shadowstream.joiner.intake.header_fields import HeaderReader
from shadowstream.joiner.intake.repeat_outcome import outcomes_of_repeats
from shadowstream.judge.verdict.identity_fit import misfits
from shadowstream.kafka.client import offsets
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


def look(config: Config, client: AdminClient) -> None:
    """Read the newest records of each of production's output topics, and warn of what does not fit the identity.

    It is advice: a topic that cannot be read or decoded now ends it without a word, for the joiner reads it too.
    """
    sampler = Sampler(config, client, limit_s=LIMIT_S)
    try:
        for topic in config.production.outputs:
            _warn(config, topic, _outcomes(config, sampler, client, topic))
    except ShadowstreamError as error:
        log.info("identity_not_sampled", reason=str(error))
    finally:
        sampler.close()


def _warn(config: Config, topic: str, outcomes: Counter[str]) -> None:
    records = sum(outcomes.values())
    for reason in misfits(config, outcomes):
        if no_id(config, Side.PRODUCTION) in reason:
            without = outcomes[unpairable(Side.PRODUCTION)]
            log.warning("identity_finds_nothing", topic=topic, records=records, without=without, reason=reason)
        else:
            again = outcomes[repeated(Side.PRODUCTION)]
            log.warning("identity_repeats", topic=topic, records=records, repeated=again, reason=reason)


def _outcomes(config: Config, sampler: Sampler, client: AdminClient, topic: str) -> Counter[str]:
    """How the newest records of a topic would end, those that can be paired as matches."""
    identity = Identity(config, comparer_of(schema_source(config.schemas), config).decode)
    header_infos = HeaderReader(config, topic)
    places = offsets.places({topic: sampler.counts[topic]})
    ends, lows = offsets.ends(client, places), offsets.beginnings(client, places)
    maximum = max(20, min(PER_PARTITION, IN_ALL // max(1, len(places))))
    wanted = {place: (max(lows[place], end - maximum), end) for place, end in ends.items()}
    seen: dict[Partition, DedupeWindow] = {}
    outcomes: Counter[str] = Counter()
    for batch in sampler.read(wanted, True):
        plain, _ = header_infos.headed(Side.PRODUCTION, batch)
        log_of = seen.setdefault(batch.place, DedupeWindow(max(1, config.identity.dedupe_span)))
        for outcome in _ends(identity, log_of, plain):
            outcomes[outcome] += 1
    return outcomes


def _ends(identity: Identity, seen: DedupeWindow, batch: Batch) -> list[Outcome]:
    packed = [identity.packed(headers) for headers in batch.headers]
    coordinates = identity.coordinates(Side.PRODUCTION, batch, packed)
    ids = identity.ids(Side.PRODUCTION, batch, coordinates)
    repeats = outcomes_of_repeats(identity, seen, Side.PRODUCTION, batch, ids, coordinates)
    found = []
    for i, id_ in enumerate(ids):
        if isinstance(id_, RecordError):
            found.append(undecodable(Side.PRODUCTION))
        elif id_ is None:
            found.append(unpairable(Side.PRODUCTION))
        else:
            found.append(repeats[i].outcome if i in repeats else Outcome.MATCH)
    return found
