"""Client quotas of each principal, from the limits of the config: by these a runaway cannot crowd out production.

A quota is no ceiling for normal work: `limits.bytes_per_s` is. It is that much times the records a role reads or writes
for each input, and twice that, for recovery and bursts.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from shadowstream.config import Config, Principal
from shadowstream.errors import ConfigError

HEADROOM = 2
SMALL = 2_000_000
"""Bytes a second for principals whose traffic does not grow with the inputs: verdicts, commands, reports."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes a second that a user's clients may read from and write to each broker."""

    consumer_byte_rate: int
    producer_byte_rate: int

    def __add__(self, other: "Quota") -> "Quota":
        return Quota(
            self.consumer_byte_rate + other.consumer_byte_rate, self.producer_byte_rate + other.producer_byte_rate
        )


def quota_of(config: Config, principal: Principal) -> Quota:
    """Return the quota of a principal. Raises `ConfigError` without `limits.bytes_per_s`.

    An output is taken for as large as its input. The joiner reads each side and, of a pair that differs, writes both
    values; the runner writes the candidate's output and marks.
    """
    bytes_per_s = config.limits.bytes_per_s
    if bytes_per_s is None:
        raise ConfigError("limits.bytes_per_s: is not set, so no quota follows; set the ceiling that you accept")
    sides = 2 if config.twin is None else 3
    reads = {"runner": 1, "joiner": sides, "labels": 2}.get(principal, 0)
    writes = {"runner": 1, "joiner": sides, "labels": 1}.get(principal, 0)
    return Quota(*(HEADROOM * share * bytes_per_s + SMALL for share in (reads, writes)))


def total(quotas: Iterable[Quota]) -> Quota:
    """Return the quota of a user that plays several roles."""
    return sum(quotas, Quota(0, 0))


def quota_line(bootstrap: str, user: str, quota: Quota) -> str:
    """Return the kafka-configs command that sets a quota of a user as the brokers know it, for example `User:fraud`.

    >>> quota_line("b:1", "User:a", Quota(3, 2)).partition("--entity-type ")[2]
    'users --entity-name a --add-config consumer_byte_rate=3,producer_byte_rate=2'
    """
    name = user.partition(":")[2]
    rates = f"consumer_byte_rate={quota.consumer_byte_rate},producer_byte_rate={quota.producer_byte_rate}"
    words = ["kafka-configs", "--bootstrap-server", bootstrap, "--alter", "--entity-type", "users"]
    return shlex.join([*words, "--entity-name", name, "--add-config", rates])
