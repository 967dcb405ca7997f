"""Markdown for a pull request: the decision, one line per criterion, next steps, a few examples.

Text from records is set in code spans, where Markdown, mentions and HTML have no effect.
"""

import re
from collections.abc import Sequence
from typing import Any

from shadowstream.judge.label_quality import quality_lines
from shadowstream.judge.verdict.explain import span
from shadowstream.judge.verdict.verdict_notes import notes_of
from shadowstream.report.facts import Facts
from shadowstream.status.words import key_text, number, path_text, rate_text, side_text, time_text, typical_text

CHARS_MAX = 60_000
"""GitHub accepts 65,536 characters in one comment."""
VALUE_CHARS_MAX = 120
INCIDENT_CHARS_MAX = 500
ABOUT_CHARS_MAX = 300
INPUT_CHARS_MAX = 500
EXAMPLES_MAX = 10
LISTED_MAX = 10
_SIGNS = {"promote": "✅", "reject": "❌", "not_yet": "⏳"}


def markdown(facts: Facts) -> str:
    """Render the report as Markdown of at most `CHARS_MAX` characters; examples are dropped first."""
    examples = min(EXAMPLES_MAX, len(facts.examples))
    while len(text := _written(facts, examples)) > CHARS_MAX and examples:
        examples //= 2
    return text if len(text) <= CHARS_MAX else text[: CHARS_MAX - 2] + "…\n"


def _written(facts: Facts, examples: int) -> str:
    decision, verdict = facts.explanation.decision, facts.verdict
    lines = [f"### {_SIGNS[decision]} {code(facts.name)}: **{facts.decision}**", ""]
    lines.append(f"Revision {code(facts.revision[:16])}{f' · {span(verdict)}' if verdict else ''}")
    if facts.about:
        lines += ["", " · ".join(f"{title} {code(text, ABOUT_CHARS_MAX)}" for title, text in facts.about.items())]
    if facts.override:
        override = facts.override
        lines += ["", f"**Overridden** to {override['decision']} by {code(override['by'])}: {code(override['reason'])}"]
    lines += ["", *(f"- {_plain(reason)}" for reason in facts.reasons[:LISTED_MAX]), ""]
    lines += _criteria(facts)
    if verdict:
        lines += ["**What it rests on**", "", *(f"- {_plain(note)}" for note in notes_of(verdict)), ""]
    if decision != "promote" or facts.override:
        lines += ["**What to do**", ""]
        lines += [f"- {_plain(sentence)}" for sentence in facts.todo]
        lines.append("")
    if verdict:
        lines += [*(f"- {_plain(line)}" for line in quality_lines(verdict)), ""]
        lines += _fields(facts, verdict["fields"]) + _slices(verdict["slices"])
        lines += [f"- open: {code(incident, INCIDENT_CHARS_MAX)}" for incident in facts.explanation.incidents]
    if facts.drift:
        events = [event for event in facts.drift if event["event"] in ("opened", "closed")][-LISTED_MAX:]
        lines += [
            f"- {time_text(event['window_end_ms'])} {event['event']}: {_plain(event['reason'])}" for event in events
        ]
        lines.append("")
    return "\n".join([*lines, *_examples(facts, examples)]).rstrip() + "\n"


def _criteria(facts: Facts) -> list[str]:
    if not facts.explanation.outlooks:
        return []
    lines = ["| criterion | stands | bad | of | limit | needed |", "|---|---|--:|--:|--:|--:|"]
    for outlook in facts.explanation.outlooks:
        hours = "" if outlook.hours is None else f", {outlook.hours:.3g} h"
        needed = f"{number(outlook.more)} more{hours}" if outlook.more else "–"
        cells = (
            code(outlook.criterion),
            outlook.state,
            number(outlook.s) if outlook.margin is None else f"worse by {outlook.difference or 0:.4g}",
            number(outlook.n),
            rate_text(outlook.limit) if outlook.margin is None else f"margin {outlook.margin:.4g}",
            needed,
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    for outlook in facts.explanation.outlooks:
        lines += [f"- {code(outlook.criterion)}: {_plain(why)}" for why in outlook.why]
    return [*lines, ""] if lines[-1] else lines


def _fields(facts: Facts, counts: dict[str, int]) -> list[str]:
    if not counts:
        return []
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:LISTED_MAX]
    rows = []
    for path, pairs in ranked:
        delta = facts.typical.get(path)
        typical = "–" if delta is None else typical_text(delta.median, delta.low, delta.high)
        rows.append(f"| {code(path_text(path))} | {number(pairs)} | {typical} |")
    return ["| field | pairs that differ | typical delta |", "|---|--:|---|", *rows, ""]


def _slices(slices: Sequence[dict[str, Any]]) -> list[str]:
    rows = []
    for listed in slices[:LISTED_MAX]:
        values = zip(listed["dimensions"], listed["values"], strict=True)
        named = ", ".join(f"{name} = {value}" for name, value in values)
        rows.append(f"| {code(named)} | {listed['s']} | {listed['n']} |")
    return ["| slice that holds the excess | differ | of |", "|---|--:|--:|", *rows, ""] if rows else []


def _examples(facts: Facts, examples_max: int) -> list[str]:
    if not examples_max:
        return []
    total = len(facts.examples) + facts.examples_left
    lines = [f"<details><summary>{examples_max} of {number(total)} examples</summary>", ""]
    lines += ["| outcome | key | path | production | candidate |", "|---|---|---|---|---|"]
    for row in facts.examples[:examples_max]:
        first = f"| {row['outcome']} | {code(key_text(row))} |"
        if not row["differences"]:
            lines.append(f"{first} {code(row['reason'] or '')} | | |")
        for difference in row["differences"][:LISTED_MAX]:
            sides = side_text(difference["production"]), side_text(difference["shadow"])
            lines.append(f"{first} {' | '.join(map(code, (path_text(difference['path']), *sides)))} |")
            first = "| | |"
        if (given := facts.inputs.get(row["pair_id"])) is not None:
            values = ", ".join(f"{path_text(one.path)}: {one.value}" for one in given.fields)
            lines.append(f"| | | input | {code(f'{given.where} {values}', INPUT_CHARS_MAX)} | |")
    return [*lines, "", "</details>"]


def code(text: str, max_chars: int = VALUE_CHARS_MAX) -> str:
    r"""Format text as a code span that fits a table: no line ends, no bar, no backtick that would end it.

    >>> print(code("a|b"), code("``x"), code(""))
    `a\|b` ``` ``x ```
    """
    text = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()
    if len(text) > max_chars:
        text = text[: max_chars - 1] + "…"
    if not text:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    inner = f" {text} " if text.startswith("`") or text.endswith("`") else text
    return f"{fence}{inner}{fence}".replace("|", "\\|")


def _plain(sentence: str) -> str:
    """Escape HTML, tables and mentions in a generated sentence, which may contain names of fields and topics."""
    one_line = re.sub(r"\s+", " ", sentence)
    return re.sub(r"([\\<>|@#*_\[\]])", r"\\\1", one_line)
