"""Sentence for people on the start of a trial: offsets from the marks in `starts`, and the inputs since."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from shadowstream.config import Config
from shadowstream.joiner.completeness.marks_log import TrialStart, place_of
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial import bound_topics
from shadowstream.kafka.trial.start_log import Starts
from shadowstream.records import Partition

SHOWN_MAX = 12


class TrialBegin(NamedTuple):
    """First offset and number of later inputs by partition. `waits`: production has not written any output yet."""

    at: dict[str, int]
    since: dict[str, int]
    waits: bool

    @property
    def places(self) -> dict[Partition, int]:
        return {place_of(place): offset for place, offset in self.at.items()}

    def since_ends(self, ends: Mapping[Partition, int]) -> Self:
        """Return it with the numbers of inputs up to these ends."""
        since = {str(place): max(0, ends.get(place, offset) - offset) for place, offset in self.places.items()}
        return self._replace(since=since)

    @property
    def sentence(self) -> str:
        """The whole as a sentence.

        >>> TrialBegin({"payments/0": 998}, {"payments/0": 0}, False).sentence
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
            f"begins at {where}; {since}; waits for production's first outputs, which show its partitioner (or set "
            "candidate.partitioner)"
        )


def begin_in(known: Starts, revision: str) -> TrialBegin | None:
    """Return the start of a revision, without inputs since; None if no runner has pinned it."""
    record = known.of.get(revision) or known.begun.get(revision)
    if record is None:
        return None
    at = TrialStart.of(record).committed
    return TrialBegin({str(place): offset for place, offset in at.items()}, {}, revision not in known.of)


def began_of(config: Config, revision: str, timeout_s: float) -> TrialBegin | None:
    """Return the start of a revision; None if no runner has pinned it. Raises `BrokerError` if no broker answers."""
    begin = begin_in(bound_topics.read_starts(config, timeout_s), revision)
    return None if begin is None else begin.since_ends(offsets.ends(admin(config.kafka), begin.places))
