"""Proof of a changed config: the pairs that were read, compared again as the joiner compares them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.compare.comparer import Comparing
from shadowstream.kafka.pair_sample.pair_values import RawPair
from shadowstream.protocol.outcomes import Outcome


class ComparedAgain(NamedTuple):
    """Outcomes of the pairs, and the fields at which the differing ones differ."""

    outcomes: list[Outcome]
    fields: Counter[str]

    @property
    def differ(self) -> int:
        """The number of pairs that differ."""
        return self.outcomes.count(Outcome.MISMATCH)


class Proof(NamedTuple):
    """The effect of the chosen proposals on the pairs read, and on the whole trial if it was replayed.

    `replayed`: the verdict on the whole trial by the new rules; `outcomes`: those in its statistics, and the new ones.
    """

    numbers: list[int]
    before: ComparedAgain
    after: ComparedAgain
    outcomes: list[dict[str, int]]
    replayed: dict[str, Any] | None


def compared_again(comparer: Comparing, pairs: Sequence[RawPair]) -> ComparedAgain:
    """Compare pairs under the rules and declared changes of a comparer."""
    by_topic = defaultdict[str, list[int]](list)
    for at, pair in enumerate(pairs):
        by_topic[pair.topic].append(at)
    outcomes, fields = [Outcome.MATCH] * len(pairs), Counter[str]()
    for topic, places in by_topic.items():
        own = [pairs[at] for at in places]
        parts = {n: one.parts for n, one in enumerate(own) if one.parts[0] != one.parts[1]}
        values = [one.production for one in own], [one.candidate for one in own]
        results = comparer.of(topic)(*values, [one.time_ms for one in own], parts)
        for at, result in zip(places, results, strict=True):
            outcomes[at] = result.outcome
            if result.outcome == Outcome.MISMATCH:
                fields.update({one.path for one in result.differences})
    return ComparedAgain(outcomes, fields)
