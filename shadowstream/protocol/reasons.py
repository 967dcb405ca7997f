"""Reasons of outcomes as stats records count them, and the reasons that another role acts on."""

from __future__ import annotations

OTHER = "(other)"
"""Reasons for which there was no room, together."""
REASON_CHARS_MAX = 160
SEPARATOR = ": "
PARTNER_UNREAD = "its partner may be a record of {} that {}"
"""Why a record is evicted whose partner is among those that nobody could read."""
WHOSE, WHY_UNREAD = ("production", "the candidate"), ("could not be read", "was compacted away")


def reason_name(outcome: str, reason: str) -> str:
    """The name under which a reason is counted.

    >>> reason_name("undecodable_production", "schema: schema 42 is unknown")
    'undecodable_production: schema: schema 42 is unknown'
    """
    return outcome + SEPARATOR + reason


def split_name(name: str) -> tuple[str, str]:
    """Outcome and reason of a name.

    >>> split_name("unpairable_production: no usable header 's'")
    ('unpairable_production', "no usable header 's'")
    """
    outcome, _, reason = name.partition(SEPARATOR)
    return outcome, reason
