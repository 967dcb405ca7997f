"""The proposals of `suggest` and their proof, for people and as JSON."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from shadowstream.cli.output import put_wrapped
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.kafka.pair_sample.proof import Proof
from shadowstream.kafka.pair_sample.trial_evidence import TrialEvidence
from shadowstream.protocol.outcomes import PAIRS, Outcome
from shadowstream.status.differing_rows import ranked
from shadowstream.suggest.proposals import Proposal
from shadowstream.suggest.suggestions import Suggestions
from shadowstream.yaml_flow import flow

FIELDS_SHOWN = 10
REFUSED_SHOWN = 20
_WORDS = {"expected": "change", "dimensions": "dimension", "identity": "identity"}


def show_proposals(name: str, revision: str, found: TrialEvidence, proposals: Suggestions) -> None:
    """Print what was read, and the proposals with their numbers."""
    evidence = found.evidence
    put_wrapped(
        f"trial {name}, revision {revision[:16]}: {evidence.rows:,} of {evidence.compared:,} compared pairs differ"
    )
    read = f"read: {len(evidence.pairs):,} of the pairs that differ"
    read += f", some of each of {found.kinds:,} kinds" if found.kinds > 1 else ""
    read += f"; {len(evidence.agreeing):,} pairs that agree"
    singles = len(found.singles.missing), len(found.singles.extra)
    if any(singles):
        read += f"; without a partner {singles[0]:,} of production and {singles[1]:,} of the candidate"
    put_wrapped(read)
    for n, text in (
        (found.gone, "not read, because a topic holds one of their records no more (retention)"),
        (found.beyond, "not read, because the values read before fill the memory for them; give a smaller --pairs"),
        (proposals.whole, "differ as a whole (a tombstone or null beside a value); no rule explains that"),
    ):
        if n:
            put_wrapped(f"{n:,} pairs: {text}")
    numbered = list(enumerate(proposals.proposed, start=1))
    default = [one for one in numbered if one[1].by_default]
    named = [one for one in numbered if not one[1].by_default and one[1].section != "expected"]
    changes = [one for one in numbered if one[1].section == "expected"]
    _show_group("proposed", default, evidence.rows)
    _show_group("proposed, taken only if named (--only N)", named, evidence.rows)
    _show_group(
        "changes to accept, if they are intended (--accept N --at-most SHARE --until TIME)", changes, evidence.rows
    )
    if proposals.refused:
        put_wrapped("not proposed")
    for one in proposals.refused[:REFUSED_SHOWN]:
        put_wrapped(f"  {one.path}: {one.refused}")
    if len(proposals.refused) > REFUSED_SHOWN:
        put_wrapped(f"  and {len(proposals.refused) - REFUSED_SHOWN:,} further fields")


def _show_group(title: str, group: Sequence[tuple[int, Proposal]], rows: int) -> None:
    if not group:
        return
    put_wrapped(title)
    for number, one in group:
        put_wrapped(f"  {number}. {_WORDS.get(one.section, one.kind)} {one.path}: {one.why}")
        put_wrapped(f"     {_effect(one, rows)}")
        if one.section != "expected":
            put_wrapped(f"     {flow(one.entry)}")


def _effect(one: Proposal, rows: int) -> str:
    if one.section in _WORDS and one.section != "expected":
        return f"explains {one.explains:,} of the records or pairs read"
    of = f" (about {one.rows:,.0f} of all {rows:,} that differ)" if round(one.rows) != one.explains else ""
    text = f"explains {one.explains:,} pairs{of}, {one.only_here:,} of which differ nowhere else; hides {one.hides:,}"
    if one.blind is not None:
        text += f"; {percent(one.blind, 3)} of other records' answers would pass too"
    return f"{text}; the field differs in {percent(one.share, 3)} of all pairs"


def show_proof(proof: Proof) -> None:
    """Print what the chosen proposals change."""
    before, after, replayed = proof.before, proof.after, proof.replayed
    named = ", ".join(map(str, proof.numbers))
    put_wrapped(f"proof of {named}: of {len(before.outcomes):,} pairs read {before.differ:,} → {after.differ:,} differ")
    if after.fields:
        left = [f"{path or '$'} ({n:,})" for path, n in islice(ranked(after.fields).items(), FIELDS_SHOWN)]
        put_wrapped(f"  still differ: {', '.join(left)}")
    if replayed is not None:
        shares = " → ".join(map(_mismatch, proof.outcomes))
        put_wrapped(f"  the whole trial, compared again: mismatch {shares}")
        put_wrapped(f"  the verdict by these rules would be: {replayed['decision'].replace('_', ' ')}")
        for text in replayed["reasons"][:3]:
            put_wrapped(f"    {text}")


def _mismatch(outcomes: Mapping[str, int]) -> str:
    pairs = sum(outcomes.get(outcome, 0) for outcome in PAIRS)
    return f"{percent(outcomes.get(Outcome.MISMATCH, 0) / pairs) if pairs else 'none'} of {pairs:,} pairs"


def as_record(
    name: str, revision: str, found: TrialEvidence, proposals: Suggestions, proof: Proof | None
) -> dict[str, Any]:
    """Return everything as JSON."""
    evidence = found.evidence
    return {
        "trial": name,
        "revision": revision,
        "compared": evidence.compared,
        "differ": evidence.rows,
        "kinds": found.kinds,
        "read": len(evidence.pairs),
        "agreeing_read": len(evidence.agreeing),
        "gone": found.gone,
        "beyond": found.beyond,
        "whole": proposals.whole,
        "proposed": [{"number": n, **_record(one)} for n, one in enumerate(proposals.proposed, start=1)],
        "refused": [_record(one) for one in proposals.refused],
        "proof": None
        if proof is None
        else {
            "numbers": proof.numbers,
            "pairs": len(proof.before.outcomes),
            "differ_before": proof.before.differ,
            "differ_after": proof.after.differ,
            "fields_after": dict(islice(ranked(proof.after.fields).items(), FIELDS_SHOWN)),
            "outcomes": [dict(one) for one in proof.outcomes],
            "verdict": proof.replayed,
        },
    }


def _record(one: Proposal) -> dict[str, Any]:
    names = ("kind", "section", "path", "why", "explains", "only_here", "rows", "hides", "blind", "share", "by_default")
    return {**{name: getattr(one, name) for name in names}, "entry": dict(one.entry), "refused": one.refused}
