"""The result of `compare` for people."""

from collections.abc import Iterator
from itertools import islice

from rich.table import Table

from shadowstream.cli.output import cell, console, put_wrapped
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.outcomes import Outcome
from shadowstream.status.differing_rows import ranked
from shadowstream.status.words import path_text, side_text, time_text
from shadowstream.topic_pairs.tally import EQUAL, Example, SideCounts, Tally
from shadowstream.topic_pairs.words import FATES, answer_sentence, example_word, hidden_sentence, outcome_word

FIELDS_SHOWN = 20
EXAMPLES_SHOWN = 12


def show(tally: Tally, names: tuple[str, str], *, latest: bool) -> None:
    """Print the result, the answer last."""
    for part in _parts(tally, names, latest=latest):
        if isinstance(part, str):
            put_wrapped(part)
        else:
            console().print(part)


def round_line(tally: Tally) -> str:
    """The course of a comparison that continues, in one line."""
    pairs, different = tally.outcomes.total(), tally.outcomes[Outcome.MISMATCH]
    share = f" ({percent(different / pairs)})" if pairs else ""
    only, waiting = (tuple(getattr(side, name) for side in tally.sides) for name in ("unequal", "waiting"))
    text = f"{pairs:,} pairs, {different:,} different{share}; only in A {only[0]:,}, only in B {only[1]:,}"
    return f"{text}; waiting {waiting[0]:,} and {waiting[1]:,}"


def _parts(tally: Tally, names: tuple[str, str], *, latest: bool) -> Iterator[str | Table]:
    for letter, name, side in zip("AB", names, tally.sides, strict=True):
        yield f"{letter} {name}: {side.read:,} records{_rest(side)}"
    if latest:
        yield "the last record of each id was compared, since the topic is compacted or --compacted was given"
    pairs = tally.outcomes.total()
    yield f"{pairs:,} pairs: {_kinds(tally) or 'none'}"
    if tally.order is not None:
        yield f"order: {tally.order.broken:,} of {tally.order.pairs:,} pairs come in another order of their key in B"
    if tally.paths:
        yield _fields(tally, pairs)
    for example in tally.examples()[:EXAMPLES_SHOWN]:
        yield from _example(example)
    if tally.explained < pairs - sum(tally.outcomes[outcome] for outcome in EQUAL):
        yield f"fields and examples are of the first {tally.explained:,} pairs that are not equal"
    if tally.hidden:
        yield hidden_sentence(tally)
    yield answer_sentence(tally)


def _rest(side: SideCounts) -> str:
    parts = [f"{side.single[fate]:,} {text}" for fate, text in FATES.items() if side.single[fate]]
    if side.without_id:
        undecodable = f" ({side.undecodable_ids:,} of them cannot be decoded)" if side.undecodable_ids else ""
        parts.append(f"{side.without_id:,} without an id{undecodable}")
    if side.waiting:
        parts.append(f"{side.waiting:,} still waiting for a partner")
    if side.outside:
        parts.append(f"{side.outside:,} outside the range")
    return f", of these {', '.join(parts)}" if parts else ""


def _kinds(tally: Tally) -> str:
    return ", ".join(f"{n:,} {outcome_word(outcome)}" for outcome, n in ranked(tally.outcomes).items())


def _fields(tally: Tally, pairs: int) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("pairs", justify="right")
    table.add_column("", justify="right")
    table.add_column("field that differs: B minus A", overflow="fold")
    typical = tally.typical()
    for path, n in islice(ranked(tally.paths).items(), FIELDS_SHOWN):
        delta = typical.get(path)
        text = "" if delta is None else f": typically {delta.median:+.4g} ({delta.low:+.4g} to {delta.high:+.4g})"
        table.add_row(cell(f"{n:,}"), cell(percent(n / pairs)), cell(f"{path_text(path)}{text}"))
    if len(tally.paths) > FIELDS_SHOWN:
        table.add_row(cell(""), cell(""), cell(f"and {len(tally.paths) - FIELDS_SHOWN} more"))
    return table


def _example(example: Example) -> Iterator[str]:
    key = "no key" if example.key is None else f"key {example.key}"
    yield f"{example_word(example.what)}: {key}, {time_text(example.time_ms)} UTC, {' and '.join(example.places)}"
    if example.reason:
        yield f"  {example.reason}"
    for one in example.differences[:4]:
        yield f"  {path_text(one.path)}: {side_text(one.production)} → {side_text(one.shadow)}"
