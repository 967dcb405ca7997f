"""Facts of a handover, read by requests that change nothing: no code here can join or commit to a group."""

import time
from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.handover.facts import Facts, GroupFacts, InputFacts
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import code_of, event_error, translated_errors
from shadowstream.kafka.trial.trial_begin import began_of
from shadowstream.records import Partition

READ_TIMEOUT_S = 30.0
NO_COMMIT = -1


def read_facts(client: AdminClient, config: Config, revision: str, new_group: str | None, watch_s: float) -> Facts:
    """Read the facts; commits of a group without members are read twice, `watch_s` seconds apart.

    Raises `ConfigError`: production has no group in the config. Raises `BrokerError`.
    """
    group = config.production.group
    if group is None:
        raise ConfigError("production.group: is not set, so nobody knows where production ends; set its consumer group")
    places = offsets.places(offsets.partition_counts(client, config.inputs))
    described, before = group_facts(client, group), _commits(client, group, places)
    watched_s = 0.0 if described.is_active or not described.is_known else watch_s
    if watched_s:
        time.sleep(watched_s)
        described = group_facts(client, group)
    # The ends are read after the commits, and the beginnings before: neither can seem to pass a commit.
    begins = offsets.beginnings(client, places)
    commits = _commits(client, group, places)
    ends = offsets.ends(client, places)
    moved = tuple(place for place in places if before[place] != commits[place]) if watched_s else ()
    begun = began_of(config, revision, READ_TIMEOUT_S)
    known = set(places) if begun is None else set(begun.places)
    doer = config.candidate.group or config.plan.group("runner")
    done = offsets.committed(client, doer, places)
    inputs = tuple(
        InputFacts(
            place,
            begins[place],
            ends[place],
            committed=None if (at := commits[place]) == NO_COMMIT else at,
            unsettled=at is None,
            done=done.get(place),
            in_trial=place in known,
        )
        for place in places
    )
    own = None if new_group is None else group_facts(client, new_group)
    return Facts(described, inputs, watched_s, moved, own, _open_outputs(client, config))


def group_facts(client: AdminClient, group: str) -> GroupFacts:
    """Describe a group of either protocol.

    The listing knows the state of every group; a description may not know one of the newer protocol.
    """
    with translated_errors("describe_groups"):
        listed = client.list_consumer_groups(request_timeout=offsets.TIMEOUT_S).result(offsets.TIMEOUT_S)
        states = [one.state for one in listed.valid if one.group_id == group]
        if not states:
            return GroupFacts(group, "")
        members = _members(client, group)
    state = _name(states[0])
    return GroupFacts(group, "active" if members and state == "empty" else state, members)


def _members(client: AdminClient, group: str) -> tuple[str, ...]:
    try:
        found = client.describe_consumer_groups([group], request_timeout=offsets.TIMEOUT_S)[group]
        described = found.result(offsets.TIMEOUT_S)
    except KafkaException as error:
        if code_of(error) == KafkaError.GROUP_ID_NOT_FOUND:  # a group of the newer protocol, to this request
            return ()
        raise
    return tuple(sorted(f"{one.client_id} on {one.host.lstrip('/')}" for one in described.members))


def _name(state: object) -> str:
    return str(getattr(state, "name", state)).lower().replace("_", " ")


def _commits(client: AdminClient, group: str, places: Collection[Partition]) -> dict[Partition, int | None]:
    """Return a group's commits: `NO_COMMIT` where there is none, None where an open transaction holds one."""
    found: dict[Partition, int | None] = dict.fromkeys(places, NO_COMMIT)
    for one in offsets.group_offsets(client, group, places):
        place = Partition(one.topic, one.partition)
        if one.error is None:
            found[place] = one.offset if one.offset >= 0 else NO_COMMIT
        elif one.error.code() == KafkaError.UNSTABLE_OFFSET_COMMIT:
            found[place] = None
        else:
            raise event_error(one.error, f"the commit of group {group} on {place}")
    return found


def _open_outputs(client: AdminClient, config: Config) -> dict[Partition, int]:
    outputs = offsets.places(offsets.partition_counts(client, config.production.outputs))
    stable = offsets.stable_ends(client, outputs)
    return {place: stable[place] for place, end in offsets.ends(client, outputs).items() if stable[place] < end}
