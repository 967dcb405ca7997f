"""All proposals of a trial, and the choice of those that are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from shadowstream.compare.dimension_codes import text_of
from shadowstream.compare.hooks import Load, load
from shadowstream.config import Compare, Identity
from shadowstream.errors import ConfigError
from shadowstream.suggest.config_edit import Entry
from shadowstream.suggest.evidence import Couple, Evidence
from shadowstream.suggest.identities import SingleRecord, identities
from shadowstream.suggest.proposals import FieldProposals, Proposal, change_name
from shadowstream.suggest.recomparison import differences_under, differing, with_rule
from shadowstream.suggest.slices import separating

DIMENSIONS_MAX = 3
EVERY_PAIR = 0.9
"""From this share of all pairs on a change can be written as a rule."""
SLICED_MIN = 50
"""With fewer pairs that differ, or that agree, no slices are compared."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be shown: `path` gives a path as shown, `values` whether the values of a field may be named."""

    path: Callable[[str, bool], str]
    values: Callable[[str, Sequence[Couple]], bool]


class Suggestions(NamedTuple):
    """The proposals in the order of their numbers, from 1 on, and those that are refused with the reason."""

    proposed: list[Proposal]
    refused: list[Proposal]
    whole: int
    """Pairs that cannot be compared field by field: a tombstone or a null beside a value."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits under which changes are accepted."""

    rate_max: float
    until: datetime


@dataclass(frozen=True, slots=True)
class Singles:
    """Records of production and of the candidate without a partner."""

    missing: Sequence[SingleRecord] = field(default_factory=list)
    extra: Sequence[SingleRecord] = field(default_factory=list)


def suggestions(
    evidence: Evidence, singles: Singles, compare: Compare, identity: Identity, shown: Shown, loads: Load = load
) -> Suggestions:
    """Return all proposals for one revision's differences."""
    fields = FieldProposals(evidence, compare, shown.values, loads)
    found = [_as_shown(one, shown) for one in fields.all()]
    found += [*_dimensions(evidence, compare, found, shown, loads), *_identities(singles, identity)]
    proposed = sorted((one for one in found if one.refused is None), key=_group)
    return Suggestions(proposed, [one for one in found if one.refused is not None], fields.whole)


def _group(proposal: Proposal) -> int:
    """Return the place of a proposal's group: written by default, only if named, changes to accept."""
    return 0 if proposal.by_default else 2 if proposal.section == "expected" else 1


def _as_shown(proposal: Proposal, shown: Shown) -> Proposal:
    only_candidate = proposal.section == "expected" and "only the candidate" in proposal.why
    path = shown.path(proposal.path, only_candidate)
    if path == proposal.path:
        return proposal
    why = "the name of this field may be data, which compare.examples.values and compare.redact hide: name it yourself"
    return replace(proposal, path=path, entry={}, by_default=False, refused=proposal.refused or why)


def by_default(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals that are written without being named: rules that hide nothing of the pairs read."""
    return [one for one in proposals if one.by_default]


def compared_under(compare: Compare, proposals: Sequence[Proposal]) -> Compare:
    """Return the config of the comparison with the rules among these proposals."""
    for one in proposals:
        if one.section == "rules":
            compare = with_rule(compare, one.entry)
    return compare


def _dimensions(
    evidence: Evidence, compare: Compare, found: Sequence[Proposal], shown: Shown, loads: Load
) -> list[Proposal]:
    """Return the fields whose values separate what still differs under the proposed rules from what agrees."""
    drawn = [pair for pair in evidence.pairs if pair.drawn and pair.comparable]
    rules = differences_under(compared_under(compare, by_default(found)), loads)
    differ = differing(drawn, rules, lambda _: True)
    bad = [pair.production for pair, differs in zip(drawn, differ, strict=True) if differs]
    good = [pair.production for pair, differs in zip(drawn, differ, strict=True) if not differs]
    good += evidence.agreeing
    if min(len(bad), len(good)) < SLICED_MIN:
        return []
    known = [one.path for one in compare.dimensions if one.path is not None]
    taken = {one.name for one in compare.dimensions}
    proposals = []
    for one in separating(bad, good, known)[:DIMENSIONS_MAX]:
        name = change_name(one.path, 0)
        if name in taken or shown.path(one.path, False) != one.path:
            continue
        value = (
            f" is {one.value!r}" if shown.values(one.path, [Couple(0, "", one.value, one.value)]) else " has one value"
        )
        why = (
            f"it separates differing pairs from others (Cramér's V {one.v:.2f}, p < 0.001 after correction): where it"
            f"{value}, {one.differ} of {one.pairs} pairs read differ"
        )
        entry = {"name": name, "path": one.path}
        proposals.append(Proposal("dimension", "dimensions", one.path, entry, why, one.differ))
    return proposals


def _identities(singles: Singles, identity: Identity) -> list[Proposal]:
    present = identity.model_dump(include={"kind", "header", "path"}, exclude_none=True)
    found = [one for one in identities(singles.missing, singles.extra) if one.entry != present]
    read = min(len(singles.missing), len(singles.extra))
    return [
        Proposal(
            "identity", "identity", str(one.entry.get("path") or one.entry.get("header") or "key"),
            {**identity.model_dump(include={"outputs", "dedupe_span", "equal_ids"}, exclude_unset=True), **one.entry},
            f"{one.pairs} of {read} pairs of records without a partner have it in common, and it is unique",
            one.pairs,
        )
        for one in found[:1]
    ]  # fmt: skip


def accepted(proposal: Proposal, compare: Compare, limits: Limits, reason: str) -> Entry:
    """Return a proposal as a declared change with a bound and an end. Raises `ConfigError` if it is no change of
    values."""
    if proposal.section not in ("rules", "expected"):
        raise ConfigError(f"--accept: {proposal.path} is proposed as {proposal.kind}, which is no change of values")
    value: dict[str, Any] = {"name": change_name(proposal.path, 0), "paths": [proposal.path]}
    value |= proposal.entry if proposal.section == "expected" else {}
    taken = {one.name for one in compare.expected}
    names = (value["name"], *(f"{value['name']}-{n}" for n in range(2, len(taken) + 3)))
    value["name"] = next(name for name in names if name not in taken)
    value |= {"rate_max": limits.rate_max, "until": limits.until}
    return Entry(("compare", "expected"), value, comment=reason)


def entry_of(proposal: Proposal) -> Entry:
    """Return a proposal as an entry of the config. Raises `ConfigError` for a change, which needs limits."""
    if proposal.section == "expected":
        rule = _rule_instead(proposal)
        if rule is None:
            raise ConfigError(
                f"{proposal.path}: a change needs a bound and an end: --accept with --at-most and --until"
            )
        return Entry(("compare", "rules"), rule)
    if proposal.section == "identity":
        return Entry(("identity",), proposal.entry, is_list=False)
    return Entry(("compare", proposal.section), proposal.entry)


def _rule_instead(proposal: Proposal) -> dict[str, Any] | None:
    """Return the rule that stands for a change in each pair, which no bound on a share can hold; None for others."""
    entry = proposal.entry
    if proposal.share < EVERY_PAIR:
        return None
    if {"production", "shadow"} <= entry.keys() and not isinstance(entry["production"], bool | None):
        return {"path": proposal.path, "values": {text_of(entry["production"]): entry["shadow"]}}
    return {"path": proposal.path, "ignore": True} if "has the field" in proposal.why else None
