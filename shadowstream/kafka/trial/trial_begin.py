"""Where a trial began, in words for people: by the marks in `starts`, and how much has come since."""

from __future__ import annotations

from typing import NamedTuple

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial import bound_topics
from shadowstream.records import Partition

SHOWN_MAX = 12


class Began(NamedTuple):
    """Where each input partition begins, by its place, and how many offsets it has had since. `waits`: nothing is
    compared yet, for production's first outputs have not come."""

    at: dict[str, int]
    since: dict[str, int]
    waits: bool

    @property
    def sentence(self) -> str:
        """All of it.

        >>> Began({"payments/0": 998}, {"payments/0": 0}, False).sentence
        'began at payments/0@998; no input since'
        """
        at = [f"{place}@{offset}" for place, offset in self.at.items()]
        more = f" and {len(at) - SHOWN_MAX} more partitions" if len(at) > SHOWN_MAX else ""
        where = f"{', '.join(at[:SHOWN_MAX])}{more}"
        arrived = sum(self.since.values())
        since = f"{arrived:,} inputs since" if arrived else "no input since"
        if not self.waits:
            return f"began at {where}; {since}"
        return (
            f"begins at {where}; {since}; waits for production's first outputs, which say how it chooses partitions "
            "(or set candidate.partitioner)"
        )


def began_of(config: Config, revision: str, timeout_s: float) -> Began | None:
    """Where a revision began; None where no runner has pinned it. Raises `BrokerError` where no broker answers."""
    known = bound_topics.read_starts(config, timeout_s)
    record = known.of.get(revision) or known.begun.get(revision)
    if record is None:
        return None
    at = {Partition(one["topic"], one["partition"]): int(one["committed"]) for one in record["begins"]}
    ends = offsets.ends(admin(config.kafka), at)
    return Began(
        {str(place): offset for place, offset in at.items()},
        {str(place): max(0, ends[place] - offset) for place, offset in at.items()},
        revision not in known.of,
    )
