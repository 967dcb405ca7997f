"""The proposals of a trial: each with its pattern, with what it explains and with what it hides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shadowstream.codecs.typed import bare
from shadowstream.compare.hooks import Load, load
from shadowstream.compare.lists import canonical
from shadowstream.config import Compare, Expected
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.paths import ABSENT, STAR, join_path
from shadowstream.suggest.changes import Change, changes_of
from shadowstream.suggest.evidence import Couple, Evidence, FieldEvidence, Names, fields_of
from shadowstream.suggest.field_rules import LEAST_PAIRS, FieldRule, list_rule, rule_of
from shadowstream.suggest.recomparison import differences_under, effect_of, held_settings, with_rule

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
ANY_SHARE = 0.5
"""`until` and `rate_max` of a change while its effect is counted: the pairs decide, not the limits."""
VALUES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal. `section`: rules, expected, dimensions or identity; `entry`: its entry there.

    `explains`: pairs that differ here today and would not; `only_here`: of these, pairs that differ nowhere else;
    `rows`: the rows of diff that `explains` stands for. `hides`: pairs whose difference here has not the pattern and
    would go unseen. `blind`: the share of answers of other records that would pass for the right ones. `share`: of all
    compared pairs, those that differ here. `by_default`: written without being named. `refused`: why it is none.
    """

    kind: str
    section: str
    path: str
    entry: Mapping[str, Any]
    why: str
    explains: int = 0
    only_here: int = 0
    rows: float = 0.0
    hides: int = 0
    blind: float | None = None
    share: float = 0.0
    by_default: bool = False
    refused: str | None = None


class FieldProposals:
    """Proposals for the fields that differ. `nameable`: whether values at a path may be shown."""

    def __init__(
        self,
        evidence: Evidence,
        compare: Compare,
        nameable: Callable[[str, Sequence[Couple]], bool],
        loads: Load = load,
    ) -> None:
        self._evidence, self._compare, self._nameable, self._loads = evidence, compare, nameable, loads
        found = fields_of(evidence.pairs, differences_under(compare, loads))
        self.fields, self.whole = found.fields, found.whole
        """Fields that differ, and the pairs that cannot be compared by field."""

    def all(self) -> list[Proposal]:
        """Return the proposals and the refused ones, the most explaining first."""
        found: list[Proposal] = []
        done: set[Names] = set()
        for lists in self._lists():
            if (proposal := self._of_list(lists)) is not None:
                found.append(proposal)
                done.add(lists.names)
        for one in self.fields:
            if not any(one.names[: len(names)] == names for names in done):
                found += self._of_field(one)
        return sorted(found, key=lambda one: (one.refused is not None, one.kind == "change", -one.explains, one.path))

    def _lists(self) -> Iterator[FieldEvidence]:
        """Yield the lists that differ, each couple a whole list."""
        pairs, below = self._evidence.pairs, dict[Names, set[int]]()
        for one in self.fields:
            end = one.names.index(STAR) if STAR in one.names else len(one.names)
            below.setdefault(one.names[:end], set()).update(one.pairs)
        for names, places in below.items():
            found = FieldEvidence(names)
            for at in sorted(places):
                sides = [_at(bare(value), names) for value in (pairs[at].production, pairs[at].candidate)]
                if all(isinstance(side, list | tuple) for side in sides):
                    found.couples.append(Couple(at, "order", *sides))
                    found.pairs[at] = pairs[at].weight
            if len(found.pairs) >= LEAST_PAIRS:
                yield found

    def _of_list(self, found: FieldEvidence) -> Proposal | None:
        rule = list_rule(found.couples, self._evidence.pairs)
        proposal = None if rule is None else self._of_rule(found, rule)
        return None if proposal is None or proposal.refused or proposal.explains * 2 < len(found.pairs) else proposal

    def _of_field(self, found: FieldEvidence) -> list[Proposal]:
        path = join_path(found.names) or "$"
        share = self._evidence.share(found)
        if len(found.pairs) < LEAST_PAIRS:
            why = f"only {len(found.pairs)} of the pairs read differ here; {LEAST_PAIRS} are needed to see a pattern"
            return [Proposal("none", "rules", path, {}, "", rows=_rows(found, found.pairs), share=share, refused=why)]
        values = self._values(found)
        rule = rule_of(found, self._evidence.pairs, values, share)
        nameable = self._nameable(path, found.couples)
        if isinstance(rule, FieldRule) and rule.kind == "tolerance" and not nameable:
            rule = rule._replace(why="the differences are small beside what the field tells")
        elif isinstance(rule, str) and not nameable:
            rule = "no rule that explains its differences would tell the answers of different records apart"
        if isinstance(rule, FieldRule):
            proposal = self._of_rule(found, rule)
            if rule.kind != "normalise" or proposal.explains * 2 > len(found.pairs):
                return [proposal]
            return [proposal, *self._of_changes(found, share, left=set(found.pairs))]
        changes = self._of_changes(found, share, left=set(found.pairs))
        if changes:
            return changes
        why = rule or "its differences have no pattern that a rule could explain"
        refused = Proposal("none", "rules", path, {}, "", rows=_rows(found, found.pairs), share=share, refused=why)
        return [refused]

    def _of_rule(self, found: FieldEvidence, rule: FieldRule) -> Proposal:
        path = join_path(found.names) or "$"
        held = {} if rule.kind == "ignore" else held_settings(self._compare.rules, path)
        if "normalise" in held and "normalise" in rule.settings:
            held["normalise"] = [*held["normalise"], *rule.settings["normalise"]]
        entry = {"path": path, **held, **{key: one for key, one in rule.settings.items() if key != "normalise"}}
        if "normalise" in rule.settings:
            entry["normalise"] = held.get("normalise", rule.settings["normalise"])
        pairs = self._evidence.pairs
        effect = effect_of(found, pairs, differences_under(with_rule(self._compare, entry), self._loads))
        strange = {one.at for one, is_strange in zip(found.couples, rule.strange, strict=False) if is_strange}
        hides = len(strange & {*effect.explained})
        lost = f"; nobody needs {rule.loses}" if rule.loses else ""
        proposal = Proposal(
            rule.kind, "rules", path, entry, f"{rule.why}{lost}", len(effect.explained), effect.only_here,
            _rows(found, effect.explained), hides, rule.blind, self._evidence.share(found),
            by_default=not hides and not rule.loses,
        )  # fmt: skip
        return _checked(proposal)

    def _of_changes(self, found: FieldEvidence, share: float, left: set[int]) -> list[Proposal]:
        path = join_path(found.names) or "$"
        proposals = []
        changes = changes_of(found.couples, self._nameable(path, found.couples))
        for number, change in enumerate(changes, start=1):
            entry = {"name": change_name(path, number if len(changes) > 1 else 0), "paths": [path], **change.constants}
            declared = Expected.model_validate({**entry, "rate_max": ANY_SHARE, "until": NEVER})
            with_change = self._compare.model_copy(update={"expected": [*self._compare.expected, declared]})
            effect = effect_of(found, self._evidence.pairs, differences_under(with_change, self._loads))
            fitting = {one.at for one, fits in zip(found.couples, change.fits, strict=True) if fits}
            own = [at for at in effect.explained if at in fitting and at in left]
            proposal = Proposal(
                "change", "expected", path, entry, self._described(change, found), len(own), effect.only_here,
                _rows(found, own), len({*effect.explained} - fitting), None, share,
            )  # fmt: skip
            proposals.append(_checked(proposal))
        return proposals

    def _described(self, change: Change, found: FieldEvidence) -> str:
        if not change.constants:
            return change.why
        old = canonical(change.constants["production"])
        same = sum(canonical(value) == old for value in self._values(found, agreeing_only=True))
        total = same + sum(canonical(one.production) == old for one in found.couples)
        if not same:
            return change.why
        share = sum(change.fits) / total
        return f"production's value became another one, in {percent(share, 3)} of the pairs read that have it"

    def _values(self, found: FieldEvidence, *, agreeing_only: bool = False) -> list[Any]:
        """Return production's values of a field, those of pairs that agree there included."""
        values = [] if agreeing_only else [one.production for one in found.couples if one.production is not ABSENT]
        pairs = self._evidence.pairs
        others = [pair.production for at, pair in enumerate(pairs) if at not in found.pairs and pair.comparable]
        for value in (*others, *self._evidence.agreeing):
            if len(values) >= VALUES_MAX:
                break
            values += _all_at(bare(value), found.names)
        return values[:VALUES_MAX]


def _checked(proposal: Proposal) -> Proposal:
    """Return the proposal, refused if it explains nothing or hides more than it explains."""
    if not proposal.explains:
        return replace(proposal, refused="another rule of the config holds there, so it would change nothing")
    if proposal.hides > proposal.explains:
        why = f"it would hide {proposal.hides} pairs of another pattern and explain {proposal.explains} only"
        return replace(proposal, refused=why)
    return proposal


def change_name(path: str, number: int) -> str:
    """Return a name for a declared change.

    >>> change_name("items.*.unit price", 0), change_name("state", 2)
    ('items-unit-price', 'state-2')
    """
    name = re.sub(r"[^\w.-]+|\.\*", "-", path).strip("-.")
    name = re.sub(r"[.-]{2,}|\.", "-", name) or "whole-value"
    return f"{name[:56]}{f'-{number}' if number else ''}"


def _rows(found: FieldEvidence, places: Sequence[int] | Mapping[int, float]) -> float:
    return sum(found.pairs[at] for at in places)


def _at(value: Any, names: Names) -> Any:
    found = _all_at(value, names)
    return found[0] if len(found) == 1 else ABSENT


def _all_at(value: Any, names: Names) -> list[Any]:
    """Return the values at a path; a star stands for each name or index."""
    values = [value]
    for name in names:
        below: list[Any] = []
        for one in values:
            if isinstance(one, dict):
                below += one.values() if name is STAR else [one[name]] if name in one else []
            elif isinstance(one, list | tuple) and name is STAR:
                below += one
        values = below
    return values
