"""The page of `compare --report`: every figure and example of the result is on it, and no secret of the config."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shadowstream.compare.result import Difference
from shadowstream.config import Compare
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Partition
from shadowstream.report import comparison
from shadowstream.report.comparison import ComparedTopics, page
from shadowstream.status.words import number, printable
from shadowstream.topic_pairs.pairing import Fate, OrderBreaks
from shadowstream.topic_pairs.tally import Answer, Example, Tally
from tests.report.trial_facts import FIRST_MS, HOSTILE
from tests.web.chromium import chromium, opened

VOID = {"meta", "br"}
RULES = {
    "rules": [
        {"path": "score", "atol": "0.25", "ulp": 7},
        {"path": "country", "values": {"planted-secret": "planted-other"}},
    ],
    "expected": [
        {"name": "zone", "paths": ["at"], "production": "planted-value", "rate_max": 0.1, "until": "2030-01-01T00:00Z"}
    ],
    "headers": ["tenant"],
    "redact": {"paths": ["card"], "secret": "planted-key"},
}


class Page(HTMLParser):
    """A page that is well formed: each tag is closed where it must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.texts, self._open = set[str](), list[str](), list[str]()
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def filled(examples: int = 3) -> Tally:
    """A tally in which each count is another one, and texts of records are hostile."""
    counts = count(101)
    tally = Tally(examples)
    for outcome in (Outcome.MATCH, Outcome.TOLERATED, Outcome.MISMATCH, Outcome.UNDECODABLE_SHADOW):
        tally.pairs([outcome] * next(counts))
    for side in tally.sides:
        side.without_id, side.outside, side.waiting = (next(counts) for _ in range(3))
        for fate in Fate:
            side.single[fate] = next(counts)
        side.read = 1_000_000 + next(counts)
    for n in range(40):
        found = [
            Difference("score", "value", f"{n}.5", f"{n + 1}", 0.5 + n / 64),
            Difference(HOSTILE, "type", "1", HOSTILE),
        ]
        if (name := tally.explain(Outcome.MISMATCH, found[: 1 + n % 2], None)) is not None:
            places = f"a/0@{n}", f"b/0@{n + 7}"
            tally.show(name, Example("mismatch", f"key-{n}", places, FIRST_MS + n, tuple(found), None))
    tally.explain(Outcome.UNDECODABLE_SHADOW, [], "SchemaError: unknown id")
    tally.show("unmatched 0", Example("unmatched in a", None, ("a/1@55",), FIRST_MS, (), HOSTILE))
    tally.order = OrderBreaks(9_876, 543)
    return tally


def made(tally: Tally, rules: dict[str, Any] | None = None) -> str:
    spans = {Partition("a", 0): (12_345, 67_890)}, {Partition("b", 0): (0, 0)}
    about = {"range": HOSTILE}
    facts = ComparedTopics(
        ("a", HOSTILE), tally, Compare.model_validate(rules or {}), about, f"compare {HOSTILE}", spans, True
    )
    return page(facts)


def figures(value: Any) -> Iterator[str]:
    """All numbers of JSON as the page writes counts or differences; without zeros, times and names of types."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from figures(item) if name != "time_ms" else ()
    elif isinstance(value, list | tuple):
        for item in value:
            yield from figures(item)
    elif isinstance(value, int) and value:
        yield number(value)
    elif isinstance(value, float) and value:
        yield f"{value:+.4g}"


def test_each_figure_of_the_json_is_on_the_page() -> None:
    tally = filled()
    shown = Page(made(tally)).text
    words = set(re.split(r"[\s();]+", shown))
    wanted = set(figures(tally.record()))
    assert len(wanted) > 30
    assert wanted - words == set()


def test_each_example_of_the_json_is_on_the_page() -> None:
    shown = Page(made(filled())).text
    for one in filled().record()["examples"]:
        texts = [one["key"], one["reason"], *one["places"]]
        texts += [each[name] for each in one["differences"] for name in ("path", "production", "shadow")]
        assert [text for text in texts if text and " ".join(printable(text).split()) not in shown] == []


def test_examples_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "EXAMPLES_MAX", 2)
    tally = filled()
    pairs = [one for one in tally.examples() if len(one.places) == 2]
    assert f"and {len(pairs) - 2} more, which --json has" in Page(made(tally)).text


def test_nothing_that_a_record_holds_runs_or_loads_anything() -> None:
    text = made(filled())
    assert Page(text).tags.isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    assert not re.search(r"(?:src|href)\s*=|url\(", text)
    assert "default-src 'none'" in text


def test_the_rules_are_shown_without_the_values_that_they_name() -> None:
    text = made(filled(), RULES)
    assert "planted" not in text
    shown = Page(text).text
    for part in ("score atol: 0.25; ulp: 7", "country values: 1 that", "expected change zone at,", "headers tenant"):
        assert part in shown
    assert "redacted card" in shown
    assert "[12345, 67890)" in shown


@pytest.mark.parametrize("answer", Answer)
def test_each_answer_has_a_page(answer: Answer) -> None:
    tally = Tally(3)
    outcomes = {Answer.EQUAL: [Outcome.MATCH], Answer.DIFFER: [Outcome.MISMATCH], Answer.UNKNOWN: []}
    tally.pairs(outcomes[answer])
    assert tally.answer == answer
    shown = Page(made(tally)).text
    assert {Answer.EQUAL: ": equal", Answer.DIFFER: ": differ", Answer.UNKNOWN: ": could not tell"}[answer] in shown


def test_the_page_fits_a_narrow_window_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(made(filled(), RULES), "utf-8")
    with chromium() as browser:
        for width in (390, 1_280):
            with opened(browser, path.as_uri(), width) as shown:
                assert shown.evaluate("document.documentElement.scrollWidth") == width
