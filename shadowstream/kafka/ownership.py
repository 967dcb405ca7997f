"""Ownership of a role's place among runs of one trial and instance: a fenced run that lost it ends for good.

A fenced client proves little: a broker also fences a producer whose transaction lasts too long. So each run commits a
claim before it fences another, as the metadata of an offset in a group of its own. A fenced run then reads the newest
claim:

========================  =========================================================================================
the newest claim is       then
========================  =========================================================================================
its own                   no run has taken over: it ends as after any broker error, and is started again
another run's             it ends for good (`TakenOver`, exit code 5): a restart would fence the other run
========================  =========================================================================================

The roles of one `up` share a session with a claim of its own, which decides among them. Otherwise two `up` that start
at the same moment would each lose one role to the other, and both would end. The judge and the labels role are one
process a trial, whatever their instance, and have one claim.
"""

import os
import uuid

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, TakenOver
from shadowstream.health import OwnershipClaim
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("claims")
SESSION = "SHADOWSTREAM_SESSION"  # environment variable with the session of one `up`, for its roles
NO_SESSION = "-"
SINGLE = ("judge", "labels")  # roles with one process a trial
CHECK_EVERY_S = 5.0


class RoleClaim(OwnershipClaim):
    """The claim of one run of a role. `role` is the name in `RoleHealth`; `instance` is the process's stable name."""

    def __init__(self, config: Config, role: str, instance: str) -> None:
        self._config, self._role, self._instance = config, role, instance
        self._session = os.environ.get(SESSION, NO_SESSION)
        self._claim = f"{self._session} {uuid.uuid4().hex}"
        self._client: AdminClient | None = None
        self._taken = False
        self._every = Throttle(CHECK_EVERY_S)

    def take(self) -> None:
        """Claim the place, before any run is fenced. Raises `TakenOver` if a later `up` runs this trial."""
        if self._session_is_lost():
            raise self._taken_over()
        _write(self._admin(), self._config, self._group(), self._claim)
        self._taken = True
        self._client = None  # most roles never ask again, so keep no connection

    def is_lost(self) -> bool:
        """Return whether another run has claimed the place since. Raises `BrokerError` if no broker answers."""
        if not self._taken:
            return False
        newest = _read(self._admin(), self._config, self._group())
        if newest is None or newest == self._claim:
            return False
        if self._session == NO_SESSION or newest.startswith(f"{NO_SESSION} "):
            return True
        return self._session_is_lost()

    def check(self, *, now: bool = False) -> None:
        """Raise `TakenOver` if the place is lost; ask every `CHECK_EVERY_S`, or `now`. A silent broker is ignored."""
        if not self._every.is_due() and not now:
            return
        try:
            lost = self.is_lost()
        except BrokerError as error:
            log.debug("claim_unknown", error=str(error))
            return
        if lost:
            raise self._taken_over()

    def _session_is_lost(self) -> bool:
        if self._session == NO_SESSION:
            return False
        newest = _read(self._admin(), self._config, _session_group(self._config))
        return newest is not None and newest != self._session

    def _group(self) -> str:
        instance = "0" if self._role in SINGLE else self._instance
        return self._config.plan.group(f"owner.{self._role}.{instance}")

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = admin(self._config.kafka)
        return self._client

    def _taken_over(self) -> TakenOver:
        trial = f"trial {self._config.name!r}"
        if self._role in SINGLE:
            one = f"another run of the {self._role} role of {trial} has taken over: a trial has one, whatever its"
            return TakenOver(f"{one} --instance; stop one of the two")
        one = f"another run of {trial}, instance {self._instance}, has taken over"
        return TakenOver(f"{one}; stop one of the two, or give --instance")


def begin_session(config: Config, client: AdminClient) -> str:
    session = uuid.uuid4().hex
    _write(client, config, _session_group(config), session)
    return session


def _session_group(config: Config) -> str:
    return config.plan.group("owner.up")


def _place(config: Config, group: str) -> Partition:
    """Return the partition for the commits of claims; its records have no meaning here.

    A commit needs the right to read the topic. So roles commit to a topic of the trial, which each of them reads, and
    `up`, which begins before those topics exist, to an input.
    """
    return Partition(config.inputs[0] if group == _session_group(config) else config.plan.of("starts"), 0)


def _write(client: AdminClient, config: Config, group: str, claim: str) -> None:
    config.plan.check_group(group, [config.production.group] if config.production.group else [])
    offset = TopicPartition(*_place(config, group), 0, claim)
    request = [ConsumerGroupTopicPartitions(group, [offset])]

    def commit() -> None:
        asked = client.alter_consumer_group_offsets(request, request_timeout=offsets.TIMEOUT_S)
        (found,) = asked[group].result(offsets.TIMEOUT_S).topic_partitions
        if found.error is not None:
            raise KafkaException(found.error)

    offsets.once_settled(commit, f"cannot claim this trial (group {group})")


def _read(client: AdminClient, config: Config, group: str) -> str | None:
    place = _place(config, group)
    found = offsets.commits(client, group, [place])
    return found[place][1] if place in found else None
