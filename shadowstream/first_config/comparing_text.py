"""The parts `compare` and `judge` of a first config."""

from collections.abc import Sequence

from shadowstream.config import Judge
from shadowstream.first_config.field_rules import Proposal
from shadowstream.first_config.wording import duration
from shadowstream.first_config.yaml_lines import Lines
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.yaml_flow import flow, quoted

RULES_SHOWN = 20
_RATES = {
    "mismatch": "Pairs whose outputs differ beyond the rules above",
    "missing": "Production's outputs to which the candidate has none",
    "extra": "The candidate's outputs to which production has none",
    "error": "Inputs on which the candidate fails",
    "duplicate": "Outputs that the candidate writes twice",
}


def put_compare(lines: Lines, proposals: Sequence[Proposal], confirmed: Sequence[Proposal]) -> None:
    """Write how values are compared: confirmed rules as lines, all other proposals commented out."""
    lines.gap()
    lines.why("How the values of a pair are compared. A field without a rule must be equal.")
    lines.put("compare:")
    lines.why("Differences show numbers and times; texts and keys as hashes. `shown` shows all of them.", 2)
    lines.put("examples: {values: numbers}", 2)
    shown = [*confirmed, *(one for one in proposals if one not in confirmed)][:RULES_SHOWN]
    if not shown:
        lines.why("No field looks as if it needs a rule.", 2)
        return
    lines.why(
        "A rule hides differences, so only those that you confirm are written. Production's records cannot show", 2
    )
    lines.why("whether a field is meant to be equal. Pairs that differ in an ignored field are counted apart.", 2)
    (lines.put if confirmed else lines.propose)("rules:", 2)
    for one in shown:
        lines.why(f"{quoted(one.path)}: {one.why}.", 4)
        (lines.put if one in confirmed else lines.propose)(f"- {flow(one.rule)}", 4)
    if left := len(proposals) - len(shown):
        lines.why(f"{left} more fields look alike.", 4)


def put_judge(lines: Lines, judge: Judge) -> None:
    """Write the criteria of the decision, which are the defaults."""
    lines.gap()
    lines.why(
        "When the candidate may be promoted. These are the defaults; `shadowstream plan` shows how long it takes."
    )
    lines.put("judge:")
    lines.why(
        f"At least {duration(judge.min_duration_ms)} of event time with traffic, so that day and night are in it.", 2
    )
    lines.put(f"min_duration_ms: {judge.min_duration_ms}", 2)
    lines.why(
        "Each share must be shown to be under its limit. Until enough records have come, the answer is not yet.", 2
    )
    lines.put("criteria:", 2)
    for one in judge.criteria:
        lines.why(f"{_RATES[one.rate]}: at most {percent(one.limit)}.", 4)
        lines.put(f"- {flow({'rate': one.rate, 'limit': one.limit})}", 4)
