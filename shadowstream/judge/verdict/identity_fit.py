"""Fit of the identity: sentences for a verdict whose records repeat an id or have none.

With an id that is not unique, all but its first record stay uncompared; with a missing id, all do. That is a fault of
the config and not of the candidate, so the verdict is not yet, with the share and the change to make.
"""

from collections.abc import Mapping

from shadowstream.config import Config
from shadowstream.judge.criteria import RATES
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.join_id import no_id
from shadowstream.protocol.outcomes import duplicate, repeated, undecodable, unpairable
from shadowstream.records import Side

SHARE_MAX = 0.01
"""Share of a side's records without an id, or with a repeated id and another value, above which nothing is promoted."""
PRODUCTIONS, CANDIDATES = "production's", "the candidate's"
TOGETHER_MIN = 0.01
TOGETHER_RECORDS = 20
TOGETHER_RATIO = 2.0
"""Missing and extra rise together if both shares are at least that large, rest on so many records, and are that close.
"""


def misfits(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Return the reasons why the identity does not fit enough records of a side."""
    return list(misfits_by_outcome(config, outcomes).values())


def misfits_by_outcome(config: Config, outcomes: Mapping[str, int]) -> dict[str, str]:
    """Return the same by outcome of the records."""
    production = production_records(outcomes)
    shadow = RATES["extra"].counts(outcomes).n + _unmatched(Side.SHADOW, outcomes)
    reasons: dict[str, str] = {}
    for whose, side, records in (
        ("production's", Side.PRODUCTION, production),
        ("the candidate's", Side.SHADOW, shadow),
    ):
        again, without = outcomes.get(repeated(side), 0), outcomes.get(unpairable(side), 0)
        if without > SHARE_MAX * records:
            sentence = f"{_share(without, records, whose)} have {no_id(config, side)}; {_instead(config, side)}"
            reasons[unpairable(side)] = sentence
        if again > SHARE_MAX * records:
            reasons[repeated(side)] = f"{_share(again, records, whose)} {_repeat(config, side)}"
    return reasons


def is_misfit(reason: str) -> bool:
    """Return whether a reason of a verdict is one of `misfits`.

    >>> is_misfit("75 % of production's records (3 of 4) repeat a key; use identity: occurrence or coordinate")
    True
    >>> is_misfit("coverage: 20 % of production's records (1 of 5) were compared or judged")
    False
    """
    if reason.startswith("coverage: "):
        return False
    return any(f" % of {whose} records (" in reason for whose in (PRODUCTIONS, CANDIDATES))


def production_records(outcomes: Mapping[str, int]) -> int:
    """Count production's ended records, without those of the warm-up and those left out on purpose."""
    return RATES["missing"].counts(outcomes).n + _unmatched(Side.PRODUCTION, outcomes)


def _unmatched(side: Side, outcomes: Mapping[str, int]) -> int:
    return sum(outcomes.get(kind(side), 0) for kind in (undecodable, unpairable, duplicate, repeated))


def few_repeats(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Return caveats for repeated ids that block nothing."""
    records, again = production_records(outcomes), outcomes.get(repeated(Side.PRODUCTION), 0)
    if not 0 < again <= SHARE_MAX * records:
        return []
    return [f"{_share(again, records, PRODUCTIONS)} {_repeat(config, Side.PRODUCTION)}"]


def rise_together(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Return a caveat if missing and extra have similar shares: equal ids may differ in bytes."""
    (records, _), (written, extra) = RATES["missing"].counts(outcomes), RATES["extra"].counts(outcomes)
    missing = outcomes.get("missing", 0)
    if min(missing, extra) < TOGETHER_RECORDS:
        return []
    missing_share, extra_share = missing / records, extra / written
    if min(missing_share, extra_share) < TOGETHER_MIN or max(missing_share, extra_share) > TOGETHER_RATIO * min(
        missing_share, extra_share
    ):
        return []
    subject = {"coordinate": "inputs"}.get(config.identity.kind, f"{config.identity.kind}s")
    if config.identity.kind == "occurrence":
        subject = "keys, or event times by more than identity.tolerance_ms,"
    return [
        f"missing and extra rise together: {percent(missing_share)} and {percent(extra_share)}; {subject} may differ "
        "in bytes and "
        "mean the same, as with schema ids, spacing or capitals: compare `shadowstream diff CONFIG --outcome missing` "
        "with `--outcome extra`"
    ]


def _repeat(config: Config, side: Side) -> str:
    kind = config.identity.kind
    if kind == "key" and config.identity.outputs == "one":
        return "repeat a key; use identity: occurrence or coordinate"
    if kind == "id" and config.identity.outputs == "one":
        named = f"at {config.identity.path!r}" if config.identity.path else f"in header {config.identity.header!r}"
        return f"repeat an id {named}; use one that is unique, or identity: coordinate"
    if side is Side.SHADOW:
        return "are an output again that differs; the candidate's answer to one input is not the same each time"
    return (
        "name an input and output that another of them names; write identity.header as topic/partition/offset/k, or "
        "use identity.outputs: many"
    )


def _instead(config: Config, side: Side) -> str:
    identity = config.identity
    if identity.kind in ("key", "occurrence"):
        return "use identity: id or coordinate"
    if identity.path:
        return "set identity.path to a field that every output has, or use identity: key or occurrence"
    if side is Side.PRODUCTION and identity.header is None:
        return "set identity.header to the one by which production names its input, or use identity: key or occurrence"
    return "set identity.header to one that every output has, or use identity: key or occurrence"


def _share(records: int, total: int, whose: str) -> str:
    return f"{percent(records / total)} of {whose} records ({records:,} of {total:,})"
