"""Names of reasons in stats records, and the reasons that another role acts on."""

OTHER = "(other)"  # the name that counts all reasons beyond the limit
REASON_CHARS_MAX = 160
SEPARATOR = ": "
PARTNER_UNREAD = "its partner may be a record of {} that {}"
"""Reason of an evicted record whose partner may be among the unreadable records."""
WHOSE, WHY_UNREAD = ("production", "the candidate"), ("could not be read", "was compacted away")


def reason_name(outcome: str, reason: str) -> str:
    return outcome + SEPARATOR + reason


def split_name(name: str) -> tuple[str, str]:
    """Split a name into outcome and reason.

    >>> split_name("unpairable_production: no usable header 's'")
    ('unpairable_production', "no usable header 's'")
    """
    outcome, _, reason = name.partition(SEPARATOR)
    return outcome, reason
