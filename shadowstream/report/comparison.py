"""The HTML page of a comparison of two topics (`compare --report`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shadowstream.config import Compare, Rule
from shadowstream.records import Partition
from shadowstream.report.templates import template
from shadowstream.status.differing_rows import ranked
from shadowstream.topic_pairs.tally import EQUAL, Answer, Tally
from shadowstream.topic_pairs.words import ANSWERS, FATES, answer_sentence, example_word, hidden_sentence, outcome_word

EXAMPLES_MAX = 500
"""Examples of each section; --json has all."""
_STATES = {Answer.EQUAL: "promote", Answer.DIFFER: "reject", Answer.UNKNOWN: "not_yet"}

_ADDED = {"mismatch": "makes a pair different", "ignore": "is ignored", "expected": "is an expected change"}
_TWICE = {"error": "cannot be decoded", "last": "has the last value"}
_SHOWN = {"numbers": "numbers; texts as hashes", "shown": "all", "hashed": "as hashes", "none": "not shown"}


class ComparedTopics(NamedTuple):
    """All data of a page. `about`: texts by title. `spans`: by partition of A and of B the offsets read. `is_open`: the
    command reads other records when it runs later."""

    names: tuple[str, str]
    tally: Tally
    rules: Compare
    about: Mapping[str, str]
    command: str
    spans: tuple[Mapping[Partition, tuple[int, int | None]], ...]
    is_open: bool


def page(facts: ComparedTopics) -> str:
    tally = facts.tally
    pairs, shown = tally.outcomes.total(), tally.examples()
    return template("compare.html").render(
        facts=facts,
        names=facts.names,
        tally=tally,
        answer=ANSWERS[tally.answer],
        state=_STATES[tally.answer],
        sentence=" ".join(filter(None, (hidden_sentence(tally), answer_sentence(tally)))),
        pairs=pairs,
        outcomes=ranked(tally.outcomes),
        outcome_word=outcome_word,
        example_word=example_word,
        reasons={_reason(text): n for text, n in ranked(tally.reasons).items()},
        records=[row for n, row in enumerate(_records(tally)) if n < 2 or any(row[1])],
        fields=ranked(tally.paths),
        deltas=tally.typical(),
        unexplained=pairs - sum(tally.outcomes[outcome] for outcome in EQUAL) - tally.explained,
        of_pairs=[one for one in shown if len(one.places) > 1],
        of_single=[one for one in shown if len(one.places) == 1],
        examples_max=EXAMPLES_MAX,
        rules=[(rule.path, _rule(rule)) for rule in facts.rules.rules],
        terms=list(_terms(facts.rules)),
    )


def _reason(text: str) -> str:
    outcome, _, reason = text.partition(": ")
    return f"{outcome_word(outcome)}: {reason}"


def _records(tally: Tally) -> Iterator[tuple[str, list[int]]]:
    sides = tally.sides
    yield "read", [side.read for side in sides]
    yield "in pairs", [side.paired for side in sides]
    for fate, text in FATES.items():
        yield text, [side.single[fate] for side in sides]
    yield "without an id", [side.without_id for side in sides]
    yield "of these, cannot be decoded", [side.undecodable_ids for side in sides]
    yield "outside the range", [side.outside for side in sides]
    yield "still waiting for a partner", [side.waiting for side in sides]
    yield "not accounted for", [side.remainder for side in sides]


def _terms(compare: Compare) -> Iterator[tuple[str, str]]:
    """Yield what applies beside the rules of fields, as texts by title."""
    yield "any other field", "must be equal"
    yield "a field that only B has", _ADDED[compare.added_fields]
    for change in compare.expected:
        named = ", with the values that the config names" if {"production", "shadow"} & change.model_fields_set else ""
        yield f"expected change {change.name}", f"{', '.join(change.paths)}{named}, until {change.until.isoformat()}"
    yield "a JSON object that has a name twice", _TWICE[compare.duplicate_names]
    yield "record key", "compared" if compare.key else "not compared"
    yield "headers", ", ".join(compare.headers) or "not compared"
    yield "values in examples", _SHOWN[compare.examples.values]
    if compare.redact is not None:
        keys = ["record keys"] if compare.redact.keys else []
        yield "redacted", ", ".join([*compare.redact.paths, *compare.redact.headers, *keys])


def _rule(rule: Rule) -> str:
    """Return the settings of a rule. Values that a config names are only counted, for redaction may cover them."""
    given = rule.model_dump(exclude_defaults=True, exclude={"path", "values"})
    parts = [
        name if value is True else f"{name}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in given.items()
    ]
    return "; ".join([*parts, *([f"values: {len(rule.values)} that stand for others"] if rule.values else [])])
