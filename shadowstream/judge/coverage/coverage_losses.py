"""The outcomes that lower coverage, each with the config key to change, and those that a trial declares itself.

Two shares are asked for, and each record counts on one side:

=============  =======================================  ====================================================
side           compared or judged                       lost
=============  =======================================  ====================================================
production     units of missing (`criteria.RATES`)      undecodable (value, input), unpairable, duplicate,
                                                        repeated, evicted, uncompared
candidate      units of extra                           undecodable, unpairable, duplicate, repeated, evicted
=============  =======================================  ====================================================

`warm_up`, `filtered` and `sampled_out` are declared. They stand on neither side, so that they neither lower the share
nor hide a loss: with 99 % of warm-up, 1 % of the records is left, and a loss is a share of that 1 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

LossSide = Literal["production", "candidate"]
EVICTED, OTHER = "evicted", "(other)"
"""Reasons for which there was no room, together."""
REASON_CHARS_MAX = 160
REASONS_MAX = 400
"""Kinds of reasons that are told apart in one trial; the rare ones become `OTHER`."""
_SEPARATOR = ": "


class Loss(NamedTuple):
    """One outcome that lowers coverage. `change` says what to do about it; `by_kind` says it for a kind of reason,
    which is the first word of the reason (`RecordError.reason`)."""

    side: LossSide
    change: str
    by_kind: Mapping[str, str] = {}

    def advice(self, reason: str | None) -> str:
        """What to do about the outcome, given its commonest reason."""
        kind = (reason or "").partition(_SEPARATOR)[0]
        return self.by_kind.get(kind, self.change)


_DECODING = {
    "schema": "set schemas (dir or registry) so that the schema is found",
    "framing": "set schemas.formats of the topic",
    "bounds": "raise limits.decoded_bytes_max",
}
PARTNER_UNREAD = "its partner may be a record of {} that {}"
"""Why a record is evicted whose partner is among those that nobody could read."""
WHOSE, WHY_UNREAD = ("production", "the candidate"), ("could not be read", "was compacted away")
_READABLE = "make the records of {} readable: set schemas, or receive.message.max.bytes under kafka.client"
_LASTING = "raise the retention of the topics, and let compaction delete nothing before it is read"
_EVICTED = {
    **{PARTNER_UNREAD.format(whose, WHY_UNREAD[0]): _READABLE.format(whose) for whose in WHOSE},
    **{PARTNER_UNREAD.format(whose, WHY_UNREAD[1]): _LASTING for whose in WHOSE},
}
_REPEATS = "the identity is not unique: use identity.kind occurrence or coordinate, or id with a field that is"

LOSSES: Mapping[str, Loss] = {
    "undecodable_production": Loss("production", "set schemas or schemas.formats of production's output", _DECODING),
    "unpairable_production": Loss(
        "production", "set identity (kind, header or path) to an id that production's records hold"
    ),
    "undecodable_input": Loss("production", "set schemas or schemas.formats of the input topic", _DECODING),
    "duplicate_production": Loss("production", _REPEATS),
    "repeated_production": Loss("production", _REPEATS),
    "evicted": Loss(
        "production",
        "raise limits.pending_bytes_max or add joiners; raise the retention of topics that delete records",
        _EVICTED,
    ),
    "uncompared": Loss(
        "production",
        "mend the function of compare.rules or compare.expected that the reason names, or raise "
        "compare.call_timeout_ms",
    ),
    "undecodable_shadow": Loss("candidate", "mend what the candidate writes, or set schemas", _DECODING),
    "unpairable_shadow": Loss("candidate", "set identity (kind, header or path) to an id that both sides hold"),
    "duplicate_shadow": Loss("candidate", _REPEATS),
    "repeated_shadow": Loss("candidate", _REPEATS),
}

DECLARED: Mapping[str, str] = {
    "warm_up": "candidate.warm_up_records or warm_up_ms",
    "filtered": "the candidate's filter",
    "sampled_out": "the candidate's sampling",
}
"""Outcomes that are no loss, because the trial asks for them; and what asks for them."""


def reason_name(outcome: str, reason: str) -> str:
    """The name under which a reason is counted.

    >>> reason_name("undecodable_production", "schema: schema 42 is unknown")
    'undecodable_production: schema: schema 42 is unknown'
    """
    return outcome + _SEPARATOR + reason


def split_name(name: str) -> tuple[str, str]:
    """Outcome and reason of a name.

    >>> split_name("unpairable_production: no usable header 's'")
    ('unpairable_production', "no usable header 's'")
    """
    outcome, _, reason = name.partition(_SEPARATOR)
    return outcome, reason
