"""The outcomes that lower coverage, each with the config key to change, and those that a trial declares itself.

Two shares are asked for, and each record counts on one side:

=============  =======================================  ====================================================
side           compared or judged                       lost
=============  =======================================  ====================================================
production     units of missing (`criteria.RATES`)      undecodable (value, input), unpairable, duplicate,
                                                        repeated, evicted, uncompared
candidate      units of extra                           undecodable, unpairable, duplicate, repeated, evicted
=============  =======================================  ====================================================

`warm_up` is declared. It counts on neither side, so that it neither lowers the share nor hides a loss: with 99 % of
warm-up, 1 % of the records is left, and a loss is a share of that 1 %.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from shadowstream.protocol.outcomes import Outcome
from shadowstream.protocol.reasons import PARTNER_UNREAD, SEPARATOR, WHOSE, WHY_UNREAD

LossSide = Literal["production", "candidate"]
REASONS_MAX = 400
"""Kinds of reasons that are told apart in one trial; the rare ones become `OTHER`."""


class Advice(NamedTuple):
    """Advice on an outcome that lowers coverage: what to `change`, and `by_kind` of reason, which is the first word of
    the reason (`RecordError.reason`)."""

    change: str
    by_kind: Mapping[str, str] = {}

    def of(self, reason: str | None) -> str:
        """What to do about the outcome, given its commonest reason."""
        kind = (reason or "").partition(SEPARATOR)[0]
        return self.by_kind.get(kind, self.change)


_DECODING = {
    "schema": "set schemas (dir or registry) so that the schema is found",
    "framing": "set schemas.formats of the topic",
    "answer": "correct production.answer, or let every input hold production's answer",
    "bounds": "raise limits.decoded_bytes_max or limits.decoded_values_max, as the reason names",
}
_READABLE = "make the records of {} readable: set schemas, or receive.message.max.bytes under kafka.client"
_LASTING = "raise the retention of the topics, and let compaction delete nothing before it is read"
_EVICTED = {
    **{PARTNER_UNREAD.format(whose, WHY_UNREAD[0]): _READABLE.format(whose) for whose in WHOSE},
    **{PARTNER_UNREAD.format(whose, WHY_UNREAD[1]): _LASTING for whose in WHOSE},
}
_REPEATS = "the identity is not unique: use identity.kind occurrence or coordinate, or id with a field that is"

ADVICE: Mapping[str, Advice] = {
    Outcome.UNDECODABLE_PRODUCTION: Advice("set schemas or schemas.formats of production's output", _DECODING),
    Outcome.UNPAIRABLE_PRODUCTION: Advice(
        "set identity (kind, header or path) to an id that production's records hold"
    ),
    Outcome.UNDECODABLE_INPUT: Advice("set schemas or schemas.formats of the input topic", _DECODING),
    Outcome.DUPLICATE_PRODUCTION: Advice(_REPEATS),
    Outcome.REPEATED_PRODUCTION: Advice(_REPEATS),
    Outcome.EVICTED: Advice(
        "raise limits.pending_bytes_max or add joiners; raise the retention of topics that delete records",
        _EVICTED,
    ),
    Outcome.UNCOMPARED: Advice(
        "mend the function of compare.rules or compare.expected that the reason names, or raise "
        "compare.call_timeout_ms; where the reason is UnknownOrder, let the candidate come closer to production",
    ),
    Outcome.UNDECODABLE_SHADOW: Advice("mend what the candidate writes, or set schemas", _DECODING),
    Outcome.UNPAIRABLE_SHADOW: Advice("set identity (kind, header or path) to an id that both sides hold"),
    Outcome.DUPLICATE_SHADOW: Advice(_REPEATS),
    Outcome.REPEATED_SHADOW: Advice(_REPEATS),
}
