"""The HTML page of a verdict. Only its plots, which shadowstream renders itself, are inserted as they are."""

from markupsafe import Markup

from shadowstream.judge.label_quality import quality_lines
from shadowstream.judge.verdict.explain import span
from shadowstream.judge.verdict.verdict_notes import coverage_notes, notes_of
from shadowstream.report import plots
from shadowstream.report.facts import Facts
from shadowstream.report.templates import template

FIELDS_MAX = 50
DRIFT_MAX = 200
GLOSSARY = {
    "bad": "units that count against the candidate: pairs that differ, records that are missing, inputs that failed",
    "limit": "the rate that the candidate must be shown to stay under (judge.criteria of the config)",
    "between": "the true rate lies between these two, however often you look",
    "lately": "bad units of the last closed windows, which must be under the limit as well",
    "evidence": "log of the evidence that the rate is under the limit (ln E), and the value at which it is shown; "
    "under zero it speaks against the candidate",
    "needed": "further units, and hours of event time, if they go on as they came",
    "shown good": "proven to be under the limit, at the level of the trial",
    "shown bad": "proven to be over the limit: the revision stays rejected",
    "would have been caught": "a candidate with this rate or a worse one would have been rejected by now",
}
"""Words of the table of criteria."""


def page(facts: Facts) -> str:
    verdict = facts.verdict
    by_rate = {criterion["rate"]: criterion for criterion in verdict["criteria"]} if verdict else {}
    drawn = plots.drawn(facts) if facts.history else []
    drift = sorted(facts.drift, key=lambda event: event["window_end_ms"])
    quality = quality_lines(verdict) if verdict else []
    return template("page.html").render(
        facts=facts,
        verdict=verdict,
        span=span(verdict) if verdict else "",
        reasons=facts.reasons,
        todo=facts.todo,
        code=_with_code,
        evidence_notes=coverage_notes(verdict) if verdict else [],
        other_notes=notes_of(verdict)[len(coverage_notes(verdict)) : -len(verdict["caveats"]) or None]
        if verdict
        else [],
        quality=quality,
        notes=[
            note for note in facts.explanation.notes if not (note.startswith(("note: ", "attempt ")) or note in quality)
        ],
        outlooks=[(outlook, by_rate[outlook.criterion]) for outlook in facts.explanation.outlooks],
        plots={
            "evidence": Markup(plots.evidence(facts)) if drawn else "",
            "rates": [(name, Markup(plots.rate(facts, name))) for name in drawn],
        },
        fields=_fields(verdict["fields"]) if verdict else [],
        glossary=GLOSSARY,
        drift=drift[-DRIFT_MAX:],
        drift_left=max(0, len(drift) - DRIFT_MAX),
    )


def _with_code(sentence: str) -> Markup:
    """Escape a sentence and set its commands, in backticks, as code."""
    forms = (Markup("{}"), Markup("<code>{}</code>"))
    parts = [forms[number % 2].format(part) for number, part in enumerate(sentence.split("`"))]
    return Markup("").join(parts)


def _fields(fields: dict[str, int]) -> list[tuple[str, int, float]]:
    """Return paths, differing pairs, and these as percent of the greatest count; the greatest first."""
    greatest = max(fields.values(), default=0)
    ranked = sorted(fields.items(), key=lambda item: (-item[1], item[0]))
    return [(path, pairs, 100 * pairs / greatest) for path, pairs in ranked[:FIELDS_MAX]]
