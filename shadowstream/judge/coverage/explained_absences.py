"""Explained absences: bad units that may not be the candidate's fault, because of records that were never compared.

A record of production that could not be read, paired or kept may be the partner of any extra record. So extra records
count for a reject only beyond the number of such records. The same holds for missing records and lost records of the
candidate. Promote uses all records as before: an explanation never makes a criterion good.

=========  ==================================================================================================
criterion  explained by
=========  ==================================================================================================
extra      undecodable, unpairable and repeated production; evicted; duplicate production, where the id is the
           input, of which a second output may be equal
missing    undecodable shadow, which error counts; unpairable and repeated shadow; evicted; duplicate shadow of
           a job of its own, whose records do not name their input
of pairs   repeated production and repeated shadow: where an id is not unique, a pair may hold two records that do
           not belong together (`OF_PAIRS`: mismatch, field, mean, loss, check, latency, labels, twin, expected)
=========  ==================================================================================================

So an identity that finds no id in the candidate's records does not cause a reject either; their coverage blocks
promote.

Explained records are subtracted from totals, not window by window: the event times of two partners may differ. All
records read so far count, those of open windows included. A reject is withdrawn if its explanation comes later
(`reject_latch`).

Worked: production writes 4,000 records without the header that names their input, and the candidate 4,000 good ones.
All 4,000 are extra and all may be explained: none counts for a reject
(tests/judge/coverage/test_explained_absences.py).

Worked: production writes the two records of each of 600 keys in the other order than an identical candidate. Identity
is the key, so the first of each side are compared: 600 of 600 pairs differ, and 1,200 records repeat a key. None of the
pairs counts for a reject; the verdict asks for another identity.
"""

from shadowstream.config import Config
from shadowstream.protocol.outcomes import Outcome, duplicate, repeated, undecodable, unpairable
from shadowstream.records import Side

EXCUSED_MAX = 0.1
"""Greatest explained share of the bad records at which shares of unit block still count for a reject."""
NOT_FOR_A_REJECT = "were never compared; those do not count for a reject"
REPEATED = (repeated(Side.PRODUCTION), repeated(Side.SHADOW))
OF_PAIRS = frozenset(
    (
        "mismatch",
        "field",
        "expected",
        "mean",
        "check",
        "slower",
        "over",
        "latency",
        "labels",
        "twin",
        "loss",
        "unstable",
    )
)
"""Rates whose units are pairs."""
OF_MISSING = (*(kind(Side.SHADOW) for kind in (undecodable, unpairable, repeated)), Outcome.EVICTED)
OF_EXTRA = (*(kind(Side.PRODUCTION) for kind in (undecodable, unpairable, repeated)), Outcome.EVICTED)


def explaining(rate: str, config: Config) -> tuple[str, ...]:
    """Return the outcomes of records that may explain the bad units of a rate.

    >>> from shadowstream.config import Config
    >>> explaining("mismatch", Config.model_construct()), explaining("error", Config.model_construct())
    (('repeated_production', 'repeated_shadow'), ())
    """
    if rate in OF_PAIRS:
        return REPEATED
    if rate == "extra":
        return (*OF_EXTRA, duplicate(Side.PRODUCTION)) if config.identity.kind == "coordinate" else OF_EXTRA
    if rate != "missing":
        return ()
    return (*OF_MISSING, duplicate(Side.SHADOW)) if config.candidate.topic is not None else OF_MISSING


def is_doubt(reason: str, criterion: str = "") -> bool:
    """Return whether a reason says that bad units of a criterion, or of any, may be explained."""
    return reason.startswith(criterion) and reason.endswith(NOT_FOR_A_REJECT)


def doubt(criterion: str, rate: str, bad: int, explained: int) -> list[str]:
    """Return the number of bad units that may be explained, as a list of at most one sentence.

    >>> doubt("extra", "extra", 30, 40)[0][:50]
    'extra: up to 30 of 30 may have their partner among'
    """
    if bad <= 0 or explained <= 0:
        return []
    if rate in OF_PAIRS:
        return [
            f"{criterion}: up to {min(bad, explained)} of {bad} may be pairs of records that do not belong together: "
            f"{explained} records repeat an id with another value or input and {NOT_FOR_A_REJECT}"
        ]
    side = {"extra": "production", "missing": "the candidate"}.get(rate)
    if side is None:
        return []
    return [
        f"{criterion}: up to {min(bad, explained)} of {bad} may have their partner among {explained} records of {side} "
        f"that {NOT_FOR_A_REJECT}"
    ]
