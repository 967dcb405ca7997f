"""The page: everything is there, nothing that records hold can run or leave the place it is shown in."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from shadowstream.report import plots
from shadowstream.report.facts import Facts
from shadowstream.report.page import page
from shadowstream.status.words import printable
from tests.report.trial_facts import HOSTILE, facts, nothing


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(text: str) -> _Tags:
    found = _Tags()
    found.feed(text)
    return found


@pytest.fixture(scope="module")
def late() -> Facts:
    return facts()


def test_the_verdict_and_its_reasons_come_first_then_what_to_do(late: Facts) -> None:
    text = " ".join(" ".join(parsed(page(late)).text).split())
    assert late.verdict is not None
    assert late.decision == "reject"
    at = [text.index(part) for part in (late.name, late.verdict["reasons"][0], "What to do", "Criteria", "Examples")]
    assert at == sorted(at)
    for part in ("mismatch", "missing", "extra", "error", late.verdict["evidence_digest"], "incident", "opened"):
        assert part in text


def test_evidence_rate_band_limit_and_drift_are_drawn(late: Facts) -> None:
    parsed_page = parsed(page(late))
    drawn = [attributes["aria-label"] for tag, attributes in parsed_page.tags if tag == "svg"]
    assert drawn[:2] == ["evidence per criterion over event time", "rate of mismatch over event time"]
    assert plots.drawn(late) == ["mismatch"]
    assert len(drawn) == 2
    labels = "".join(parsed_page.text)
    for part in ("limits of the whole", "limit 1 %", "incident opens", "shown good from"):
        assert part in labels


def test_slices_incidents_and_what_a_criterion_lacks_are_there(late: Facts) -> None:
    text = " ".join(" ".join(parsed(page(late)).text).split())
    at = text.index("Slices that hold the excess")
    assert text[at:].startswith("Slices that hold the excess slice differ of rate at least evidence carrier = <script>")
    assert "]]> 160 3,000 5.333 %" in text[at : at + 200]
    (incident,) = late.explanation.incidents
    assert "Open incidents " + " ".join(printable(incident).split()) in text
    assert "72 of 900" in text[text.index("Criteria") :], "how it was lately"
    early = facts(hours=30, bad_from=99, examples=0, criteria=[{"rate": "mismatch", "limit": 0.01, "min_units": 5_000}])
    assert "its min_units asks for 5,000 however good they are" in page(early)
    assert "2,000 more, 20 h" in " ".join(" ".join(parsed(page(early)).text).split())


def test_nothing_that_a_record_holds_becomes_markup_or_loads_anything(late: Facts) -> None:
    text = page(late)
    tags = {tag for tag, _ in parsed(text).tags}
    assert "script" not in tags
    assert tags.isdisjoint({"iframe", "object", "embed", "link", "base", "form", "img"})
    assert "<script" not in text
    assert HOSTILE.split("|")[0].strip() in "".join(parsed(text).text)
    sources = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", text)
    assert [one for one in sources if not one.startswith("#")] == []
    assert "default-src 'none'" in text


def test_a_plot_is_well_formed_and_the_same_for_the_same_facts(late: Facts) -> None:
    for svg in (plots.evidence(late), plots.rate(late, "mismatch")):
        ElementTree.fromstring(svg)
    assert page(late) == page(facts())


def test_a_name_full_of_markup_is_only_a_name() -> None:
    text = page(facts(examples=1, name=HOSTILE))
    assert "<script" not in text


def test_with_no_data_it_says_not_yet_and_why() -> None:
    parsed_page = " ".join("".join(parsed(page(nothing())).text).split())
    assert "fraud: not yet" in parsed_page
    assert "no window has been judged" in parsed_page
    assert "shadowstream up trial.yaml" in parsed_page
    assert "<svg" not in page(nothing())


def test_with_a_verdict_before_any_window_it_stands_without_plots() -> None:
    before = facts(hours=1, bad_from=9, examples=0)
    assert "<svg" in page(before)
    empty = Facts("fraud", before.revision, before.explanation, {}, before.verdict)
    assert "<svg" not in page(empty)
    assert "None." in page(empty)


def test_with_a_thousand_examples_each_is_there_and_the_first_are_open() -> None:
    text = page(facts(examples=1_000))
    parsed_page = parsed(text)
    details = [attributes for tag, attributes in parsed_page.tags if tag == "details"]
    assert len(details) == 1_000
    assert [("open" in one) for one in details[:4]] == [True, True, True, False]
    assert "order-999" in text
    assert len(text) < 3_000_000


def test_who_what_and_when_stand_at_the_top_of_the_page(late: Facts) -> None:
    text = " ".join(" ".join(parsed(page(late)).text).split())
    top = text[: text.index("Criteria")]
    expected = ("candidate candidates:score", "production scores, group scorer", f"SHA-256 {'cd' * 32}", "judged 2013-")
    for part in (*expected, "evidence until 2013-06-03 12:00:00 UTC", "report made 2013-06-04 00:00:00 UTC"):
        assert part in top


def test_an_example_shows_its_input_and_a_field_its_typical_delta(late: Facts) -> None:
    text = " ".join(" ".join(parsed(page(late)).text).split())
    assert 'Input payments/0@0 amount 250 country "NO"' in text
    assert "score 160 typically +0.5" in text


def test_the_axes_of_one_window_show_that_window_only() -> None:
    one = facts(hours=1, bad_from=9, examples=0)
    for svg in (plots.evidence(one), plots.rate(one, "mismatch")):
        times = re.findall(r">([^<>]*\d\d:\d\d[^<>]*)<", svg)
        assert times[0] == "00:00"
        assert times[-1] in ("00:50", "01:00")


def test_the_plots_take_their_colours_from_the_page(late: Facts) -> None:
    text = page(late)
    svg = text[text.index("<svg") : text.rindex("</svg>")]
    assert set(re.findall(r"var\(--(\w+)\)", svg)) == {"soft", "line", "ink", "band", "bad"}
    assert set(re.findall(r"--(\w+):", text)) >= {"soft", "line", "ink", "band", "bad"}
    assert "#000000" not in svg
