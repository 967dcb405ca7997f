"""The closed list of outcomes and the table of their rules. Each record of each side ends in exactly one outcome.

The runner names causes of absence, the joiner emits outcomes, the judge counts them in rates, and diff and the report
show them. All of them read this table, and docs/outcomes.md is generated from it. A new outcome is one member and one
row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from shadowstream.errors import ShadowstreamBug
from shadowstream.records import Side

RateName = Literal["mismatch", "missing", "extra", "error", "unstable"]


class Outcome(StrEnum):
    """The outcome of a record or a pair, as topics, metrics and reports name it."""

    MATCH = "match"
    TOLERATED = "tolerated"
    IGNORED = "ignored"
    EXPECTED = "expected"
    MISMATCH = "mismatch"
    UNSTABLE = "unstable"
    CARDINALITY = "cardinality"
    MISSING = "missing"
    EXTRA = "extra"
    CANDIDATE_ERROR = "candidate_error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    UNDECODABLE_INPUT = "undecodable_input"
    BOTH_FAILED = "both_failed"
    UNDECODABLE_PRODUCTION = "undecodable_production"
    UNDECODABLE_SHADOW = "undecodable_shadow"
    DUPLICATE_PRODUCTION = "duplicate_production"
    DUPLICATE_SHADOW = "duplicate_shadow"
    REPEATED_PRODUCTION = "repeated_production"
    REPEATED_SHADOW = "repeated_shadow"
    UNPAIRABLE_PRODUCTION = "unpairable_production"
    UNPAIRABLE_SHADOW = "unpairable_shadow"
    WARM_UP = "warm_up"
    SAMPLED_OUT = "sampled_out"
    FILTERED = "filtered"
    TWIN_EXTRA = "twin_extra"
    DUPLICATE_TWIN = "duplicate_twin"
    REPEATED_TWIN = "repeated_twin"
    UNPAIRABLE_TWIN = "unpairable_twin"
    UNDECODABLE_TWIN = "undecodable_twin"
    EVICTED = "evicted"
    UNCOMPARED = "uncompared"

    def __repr__(self) -> str:
        return repr(self.value)


class ComparedPart(Enum):
    """The part of a pair that was compared.

    `NUMBERS`: only the number of outputs of each side. `NOTHING`: a value could not be decoded, or a function of the
    config did not answer.
    """

    VALUES = "values"
    NUMBERS = "numbers of outputs"
    NOTHING = "nothing"


class Correctable(Enum):
    """The cases in which a late partner corrects an outcome."""

    NEVER = "no"
    ALWAYS = "yes"
    BY_REASON = "for some reasons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    `ends`: sides whose records it may end. `pair`: for an outcome of pairs, the part that was compared. `agrees`: the
    candidate behaves as production does. `units`, `bad`: rates in which it is a unit, and a bad unit. `lowers`: the
    side whose coverage it lowers. `sampled`: diff holds only a sample of its rows, not each. `beside_twin`: the twin is
    counted beside it. `declared`: the config key by which the trial leaves such records out. `cause`: the cause in the
    runner's marks that leads to it. `undecodable`: the side whose record becomes a dead letter. `quotes`: its reason
    may quote a value and is redacted. `of_absence`: it reports that a record is absent.
    """

    means: str
    ends: tuple[Side, ...]
    pair: ComparedPart | None = None
    agrees: bool = False
    units: tuple[RateName, ...] = ()
    bad: tuple[RateName, ...] = ()
    lowers: Side | None = None
    corrected: Correctable = Correctable.NEVER
    sampled: bool = False
    beside_twin: bool = False
    declared: str | None = None
    cause: str | None = None
    candidate_failed: bool = False
    undecodable: Side | None = None
    quotes: bool = False
    of_absence: bool = False


_P, _S, _T = (Side.PRODUCTION,), (Side.SHADOW,), (Side.TWIN,)
_BOTH: tuple[Side, ...] = (Side.PRODUCTION, Side.SHADOW)
_ANY: tuple[Side, ...] = tuple(Side)
_OF_PAIRS: tuple[RateName, ...] = ("mismatch", "missing", "extra", "unstable")


def _compared(means: str, *, bad: RateName | None = None, sampled: bool = False, quotes: bool = False) -> Rule:
    return Rule(
        means=means, ends=_BOTH, pair=ComparedPart.VALUES, agrees=bad is None, units=_OF_PAIRS,
        bad=(bad,) if bad else (), sampled=sampled, beside_twin=True, quotes=quotes,
    )  # fmt: skip


def _failed(means: str, cause: str) -> Rule:
    return Rule(
        means=means, ends=_P, units=("missing",), bad=("missing",), beside_twin=True, cause=cause, candidate_failed=True
    )


def _again(means: str, side: Side) -> Rule:
    return Rule(means=means, ends=(side,), lowers=None if side is Side.TWIN else side)


_DUPLICATE = "the same id, value and input as an earlier record of its side: written twice"
_REPEATED = "the id of an earlier record of its side with another value or input"
_UNPAIRABLE = "a record without a usable id"

RULES: Mapping[Outcome, Rule] = MappingProxyType({
    Outcome.MATCH: _compared("equal values", sampled=True),
    Outcome.TOLERATED: _compared("values equal within a tolerance of `compare.rules`", sampled=True),
    Outcome.IGNORED: _compared("values that differ in ignored fields only", sampled=True),
    Outcome.EXPECTED: _compared("a difference that a declared change explains"),
    Outcome.MISMATCH: _compared("values that differ", bad="mismatch", quotes=True),
    Outcome.UNSTABLE: _compared(
        "values that differ, and the candidate's second answer to the same input differs from its first "
        "(`candidate.recheck`)",
        bad="unstable",
    ),
    Outcome.CARDINALITY: Rule(
        means="another number of outputs of one input", ends=_BOTH, pair=ComparedPart.NUMBERS, units=_OF_PAIRS,
        bad=("mismatch",), beside_twin=True, of_absence=True,
    ),
    Outcome.MISSING: Rule(
        means="production's record without one of the candidate", ends=_P, units=("missing",), bad=("missing",),
        corrected=Correctable.ALWAYS, beside_twin=True, of_absence=True,
    ),
    Outcome.EXTRA: Rule(
        means="the candidate's record without one of production", ends=_S, units=("extra",), bad=("extra",),
        corrected=Correctable.ALWAYS, of_absence=True,
    ),
    Outcome.CANDIDATE_ERROR: _failed("the candidate raised, or its output was refused", "error"),
    Outcome.TIMEOUT: _failed("no answer of the candidate within `candidate.timeout_ms`", "timeout"),
    Outcome.CRASHED: _failed("the candidate ended its process on the input", "crashed"),
    Outcome.UNDECODABLE_INPUT: Rule(
        means="an input that could not be decoded, so the candidate was not asked", ends=_P, lowers=Side.PRODUCTION,
        cause="undecodable",
    ),
    Outcome.BOTH_FAILED: Rule(
        means="production failed on the input (`production.error`), and the candidate too", ends=_P, agrees=True,
        units=("missing",), beside_twin=True,
    ),
    Outcome.UNDECODABLE_PRODUCTION: Rule(
        means="production's value cannot be decoded, paired or not", ends=_BOTH, pair=ComparedPart.NOTHING,
        lowers=Side.PRODUCTION, beside_twin=True, undecodable=Side.PRODUCTION, quotes=True,
    ),
    Outcome.UNDECODABLE_SHADOW: Rule(
        means="the candidate's value cannot be decoded, paired or not", ends=_BOTH, pair=ComparedPart.NOTHING,
        units=("error",), bad=("error",), lowers=Side.SHADOW, beside_twin=True, undecodable=Side.SHADOW, quotes=True,
    ),
    Outcome.DUPLICATE_PRODUCTION: _again(_DUPLICATE, Side.PRODUCTION),
    Outcome.DUPLICATE_SHADOW: _again(_DUPLICATE, Side.SHADOW),
    Outcome.REPEATED_PRODUCTION: _again(_REPEATED, Side.PRODUCTION),
    Outcome.REPEATED_SHADOW: _again(_REPEATED, Side.SHADOW),
    Outcome.UNPAIRABLE_PRODUCTION: _again(_UNPAIRABLE, Side.PRODUCTION),
    Outcome.UNPAIRABLE_SHADOW: _again(_UNPAIRABLE, Side.SHADOW),
    Outcome.WARM_UP: Rule(
        means="before the trial's start, or while the candidate regains its state", ends=_ANY,
        declared="candidate.warm_up_records or warm_up_ms", cause="warm_up",
    ),
    Outcome.SAMPLED_OUT: Rule(
        means="the candidate was not called: its share of the inputs does not hold this one, or the trial had ended",
        ends=_P, declared="candidate.sample or until", cause="sampled_out", sampled=True,
    ),
    Outcome.FILTERED: Rule(
        means="the candidate was not called: the input is excluded", ends=_P, declared="candidate.exclude",
        cause="filtered", sampled=True,
    ),
    Outcome.TWIN_EXTRA: Rule(means="the twin's record without one of production", ends=_T, of_absence=True),
    Outcome.DUPLICATE_TWIN: _again(_DUPLICATE, Side.TWIN),
    Outcome.REPEATED_TWIN: _again(_REPEATED, Side.TWIN),
    Outcome.UNPAIRABLE_TWIN: _again(_UNPAIRABLE, Side.TWIN),
    Outcome.UNDECODABLE_TWIN: Rule(
        means="the twin's value cannot be decoded", ends=_T, undecodable=Side.TWIN, quotes=True
    ),
    Outcome.EVICTED: Rule(
        means="shed by a limit, deleted before it was read, or with a partner that may be deleted or unreadable",
        ends=_ANY, lowers=Side.PRODUCTION, corrected=Correctable.BY_REASON,
    ),
    Outcome.UNCOMPARED: Rule(
        means="a function of the config raised or did not answer for this pair, or the order of its key is unknown",
        ends=_BOTH, pair=ComparedPart.NOTHING,
        lowers=Side.PRODUCTION,
    ),
})  # fmt: skip


class Result(NamedTuple):
    """An outcome without differences: of an unmatched record, of a number of outputs, or of the warm-up."""

    outcome: Outcome
    reason: str | None = None
    differences: Sequence[Any] = ()
    declared: tuple[str, ...] = ()  # empty here; `compare.result` names the declared changes that explain a pair


def _by_side(kind: str) -> Callable[[Side], Outcome]:
    return tuple(Outcome(f"{kind}_{side.word}") for side in Side).__getitem__


duplicate, repeated, unpairable, undecodable = map(_by_side, ("duplicate", "repeated", "unpairable", "undecodable"))
"""The outcomes by side: a record written twice, one that repeats an id, one without an id, one that is no value."""


def of_twin(outcome: Outcome) -> Outcome:
    """Convert the outcome of a comparison of production with its twin, in which the twin stood for the shadow.

    >>> of_twin(Outcome.UNDECODABLE_SHADOW), of_twin(Outcome.MATCH)
    ('undecodable_twin', 'match')
    """
    return undecodable(Side.TWIN) if RULES[outcome].undecodable is Side.SHADOW else outcome


@cache
def unit_of(rate: RateName) -> tuple[Outcome, ...]:
    """Return the outcomes that are units of a rate.

    >>> unit_of("extra")[-1]
    'extra'
    """
    return tuple(one for one in Outcome if rate in RULES[one].units)


@cache
def bad_unit_of(rate: RateName) -> tuple[Outcome, ...]:
    return tuple(one for one in Outcome if rate in RULES[one].bad)


if RULES.keys() != set(Outcome):
    raise ShadowstreamBug("each outcome has exactly one rule")

# Sets of the table, built once: they are looked up for each record.
SAMPLED = frozenset(one for one, rule in RULES.items() if rule.sampled)
PLAIN = frozenset(one for one in SAMPLED if RULES[one].pair)
AGREES = frozenset(one for one, rule in RULES.items() if rule.agrees)
VALUES_COMPARED = frozenset(one for one, rule in RULES.items() if rule.pair is ComparedPart.VALUES)
PAIRS = unit_of("mismatch")  # outcomes of compared pairs, by values or by numbers of outputs
PAIRS_UNREAD = frozenset(one for one, rule in RULES.items() if rule.pair is ComparedPart.NOTHING)
DIFFERS = frozenset(bad_unit_of("mismatch"))
FAILED = tuple(one for one, rule in RULES.items() if rule.candidate_failed)
FAILED_CAUSES = frozenset(RULES[one].cause for one in FAILED)  # causes of absence that are the candidate's fault
BY_CAUSE: Mapping[str, Outcome] = MappingProxyType({rule.cause: one for one, rule in RULES.items() if rule.cause})
IN_RATES = tuple(one for one, rule in RULES.items() if rule.units)
"""Outcomes that are units of a rate: the evidence over time. The warm-up is none."""
BAD = frozenset(one for one, rule in RULES.items() if rule.bad)
LOWERS_COVERAGE: Mapping[Outcome, Side] = MappingProxyType(
    {one: side for one, rule in RULES.items() if (side := rule.lowers) is not None}
)
DECLARED: Mapping[Outcome, str] = MappingProxyType({one: rule.declared for one, rule in RULES.items() if rule.declared})
"""Outcomes that are no loss because the trial asks for them, with the config key."""
CORRECTABLE = frozenset(one for one, rule in RULES.items() if rule.corrected is Correctable.ALWAYS)
MAY_BE_CORRECTED = tuple(one for one, rule in RULES.items() if rule.corrected is not Correctable.NEVER)
NOT_BESIDE_TWIN = frozenset(one for one, rule in RULES.items() if Side.PRODUCTION in rule.ends and not rule.beside_twin)
"""Outcomes of a production record that are no evidence about the candidate, nor about the twin beside it."""
ENDS_UNMATCHED = frozenset(
    one
    for one, rule in RULES.items()
    if rule.lowers is not None or (one not in PAIRS and {"missing", "extra"} & set(rule.units))
)
"""Outcomes of unmatched records that are counted by the dimension values of their own side."""
REASON_UNCOUNTED = frozenset(one for one in Outcome if one in DECLARED or (one in PAIRS and one in AGREES))
OF_ABSENCE = frozenset(one for one, rule in RULES.items() if rule.of_absence)
QUOTES = frozenset(one for one, rule in RULES.items() if rule.quotes)
UNDECODABLE: Mapping[Outcome, Side] = MappingProxyType(
    {one: side for one, rule in RULES.items() if (side := rule.undecodable) is not None}
)
