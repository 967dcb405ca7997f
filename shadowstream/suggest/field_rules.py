"""The rule of comparison whose pattern a field's differences have: a normaliser, a tolerance, or `ignore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.paths import ABSENT
from shadowstream.suggest.copies import is_copied
from shadowstream.suggest.couples import EXACT, CoupleRule, blind
from shadowstream.suggest.evidence import Couple, FieldEvidence, ReadPair
from shadowstream.suggest.noise import drawn_values, processing_times, time_ms
from shadowstream.suggest.tolerances import Bound, are_numbers, bound_of

LEAST_PAIRS = 20
"""With fewer differing pairs a field shows no pattern."""
LEAST_SHARE = 0.1
"""The least share of a field's differences that a normaliser explains."""
NOISY_SHARE = 0.95
"""The least share of a field's differences that must be noise to ignore the field."""
ALWAYS = 0.99
"""Values that are drawn anew differ in at least this share of the pairs."""
BLIND_MAX = 0.05
COPIED_SHARE = 0.5
"""From this share of values that are in their inputs on, a field is a copy. Times may be the same by chance."""
TRIED = 100
"""Couples on which a normaliser is tried first: one that explains none of them is not tried on the others."""


class _Normaliser(NamedTuple):
    settings: Mapping[str, Any]
    why: str
    loses: str = ""
    """What the rule loses, if a person has to say that it has no meaning."""


def _epochs() -> list[_Normaliser]:
    units = ("s", "ms", "us", "ns")
    same = [{"epoch": unit} for unit in units]
    other = [{"epoch": one, "shadow_epoch": two} for one in units for two in units if one != two]
    return [_Normaliser({"round_ms": 1, **one}, "one time in two forms") for one in (*same, *other)]


_TEXTS = (
    _Normaliser({"ignore_space": True}, "the texts differ in white space only"),
    _Normaliser({"ignore_case": True}, "the texts differ in upper and lower case only"),
    _Normaliser({"ignore_space": True, "ignore_case": True}, "the texts differ in white space and case only"),
    _Normaliser({"normalise": ["nfc"]}, "one text in two forms of Unicode"),
)
_JSON = (_Normaliser({"normalise": ["json"]}, "one JSON value in two spellings"),)
_NUMBERS = (
    _Normaliser({"types": "loose"}, "one value in two types"),
    _Normaliser({"normalise": ["number"]}, "one number in two types or spellings"),
)
_NULLS = (_Normaliser({"absent_is_null": True}, "one side leaves out what is null on the other"),)
_TIMES = (
    _Normaliser({"normalise": ["utc"]}, "one time in two spellings"),
    *_epochs(),
)
_SECONDS = (_Normaliser({"round_ms": 1_000}, "the times are in the same second", "fractions of a second"),)
_LISTS = (
    _Normaliser({"lists": "unordered"}, "the lists hold the same elements in another order", "the order of the list"),
    _Normaliser(
        {"lists": "set"}, "the lists hold the same elements, in other numbers", "order and number of the elements"
    ),
)


class FieldRule(NamedTuple):
    """A rule for a field. `kind`: normalise, tolerance or ignore. `why`: the pattern.

    `strange`: of each couple whether the rule hides it although it does not have the pattern. `blind`: the share of
    exchanged answers that the rule would hide. `loses`: what a person has to decide about.
    """

    kind: str
    settings: Mapping[str, Any]
    why: str
    strange: Sequence[bool] = ()
    blind: float | None = None
    loses: str = ""


def rule_of(
    found: FieldEvidence, pairs: Sequence[ReadPair], values: Sequence[Any], share: float
) -> FieldRule | str | None:
    """Return the rule for a field, the reason why a rule that suggests itself is none, or None without any pattern.

    `values`: production's values of the field; `share`: the share of the compared pairs that differ here.
    """
    couples = found.couples
    normalised = _normaliser(couples, pairs, values)
    if normalised is not None:
        return normalised
    for kind, noise in (("the time of processing", processing_times), ("a value drawn for each record", None)):
        is_noise = drawn_values(couples) if noise is None else noise(couples, pairs)
        if sum(is_noise) < NOISY_SHARE * len(couples):
            continue
        if noise is None and share < ALWAYS:
            return f"its values look drawn for each record, and yet differ in {percent(share, 3)} of the pairs only"
        return _ignored(couples, pairs, kind, is_noise)
    seconds = _best(_SECONDS if _cuts_seconds(couples) else (), couples, pairs, values)
    return seconds or _tolerance(couples, pairs, values)


def _ignored(
    couples: Sequence[Couple], pairs: Sequence[ReadPair], kind: str, is_noise: Sequence[bool]
) -> FieldRule | str:
    """Return the rule that ignores a noisy field, or why not: production copies it from its input."""
    copied = [found for one in couples if (found := is_copied(one, pairs[one.at])) is not None]
    if sum(copied) > COPIED_SHARE * len(copied):
        share = percent(sum(copied) / len(copied), 3)
        return f"production copies its values from the input in {share} of the pairs, so the candidate's are other ones"
    loses = "" if len(copied) >= LEAST_PAIRS else "values that production copies from its input, which was not read"
    strange = [not one for one in is_noise]
    return FieldRule("ignore", {"ignore": True}, f"each side writes {kind}", strange, loses=loses)


def list_rule(couples: Sequence[Couple], pairs: Sequence[ReadPair]) -> FieldRule | None:
    """Return the rule for lists in another order; the couples hold whole lists."""
    return _best(_LISTS, couples, pairs, ())


def _tolerance(couples: Sequence[Couple], pairs: Sequence[ReadPair], values: Sequence[Any]) -> FieldRule | str | None:
    numbers = [one for one in couples if are_numbers(one)]
    if len(numbers) < NOISY_SHARE * len(couples):
        return None
    of_json = pairs[numbers[0].at].of_json
    bound = bound_of(numbers, values, of_json)
    if not isinstance(bound, Bound):
        return bound
    median, nearly, almost, greatest = bound.quantiles
    sized = "relative " if "rtol" in bound.settings else ""
    why = (
        f"{sized}differences of {median:.3g} (median), {nearly:.3g} (95 %), {almost:.3g} (99 %), at most {greatest:.3g}"
    )
    return FieldRule("tolerance", bound.settings, why, (), bound.blind)


def _normaliser(couples: Sequence[Couple], pairs: Sequence[ReadPair], values: Sequence[Any]) -> FieldRule | None:
    kinds = {type(value) for one in couples for value in (one.production, one.candidate)}
    tried: list[_Normaliser] = []
    if str in kinds:
        tried += _TEXTS
    if any(one.kind == "type" for one in couples) or str in kinds:
        tried += _NUMBERS
    if _has_times(couples):
        tried += _TIMES
    if any(ABSENT in one[2:] or None in one[2:] for one in couples):
        tried += _NULLS
    if str in kinds:
        tried += _JSON
    return _best(tried, couples, pairs, values)


def _has_times(couples: Sequence[Couple]) -> bool:
    """Whether some value is a time by its form; a number alone is none."""
    values = (value for one in couples for value in one[2:] if isinstance(value, str | date))
    return any(time_ms(value, 0) is not None for value in values)


def _cuts_seconds(couples: Sequence[Couple]) -> bool:
    """Whether one side writes times without fractions of a second."""
    for side in (2, 3):
        found = [time_ms(one[side], 0) for one in couples if isinstance(one[side], str | date)]
        if len(found) == len(couples) and all(ms is not None and ms % 1_000 == 0 for ms in found):
            return True
    return False


def _best(
    tried: Sequence[_Normaliser], couples: Sequence[Couple], pairs: Sequence[ReadPair], values: Sequence[Any]
) -> FieldRule | None:
    """Return the normaliser that explains most couples, the first of several; None if none explains enough."""
    best, limit = None, max(LEAST_PAIRS, LEAST_SHARE * len(couples)) - 1
    sample = couples[:: max(1, len(couples) // TRIED)]
    for one in tried:
        if not _explained(CoupleRule(one.settings), sample, pairs):
            continue
        explained = _explained(CoupleRule(one.settings), couples, pairs)
        if explained > limit:
            best, limit = one, explained
    if best is None:
        return None
    of_json = pairs[couples[0].at].of_json
    hidden = blind(CoupleRule(best.settings), values, of_json)
    kind = "tolerance" if best.settings.get("round_ms", 0) > 1 else "normalise"
    if hidden is not None and hidden > BLIND_MAX:
        return None
    return FieldRule(kind, best.settings, best.why, (), hidden, best.loses)


def _explained(rule: CoupleRule, couples: Sequence[Couple], pairs: Sequence[ReadPair]) -> int:
    """Return the number of couples that agree under the rule."""
    explained = 0
    for one in couples:
        of_json = pairs[one.at].of_json
        if one.kind == "type" and EXACT.agrees(*one[2:], of_json):  # the types differ, which the values do not show
            explained += "types" in rule.settings
        else:
            explained += rule.agrees(*one[2:], of_json)
    return explained
