"""Markdown as a pull request shows it, JUnit XML as a pipeline reads it."""

import html
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from shadowstream.report.facts import Facts
from shadowstream.report.junit import junit
from shadowstream.report.markdown import CHARS_MAX, code, markdown
from shadowstream.report.page import page
from tests.report.trial_facts import HOSTILE, facts, nothing


def cases(found: Facts) -> dict[str, ElementTree.Element]:
    suite = ElementTree.fromstring(junit(found).encode())
    assert suite.tag == "testsuite"
    named = {case.attrib["name"]: case for case in suite.findall("testcase")}
    failures = [case for case in named.values() if case.find("failure") is not None]
    counts = (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"], suite.attrib["skipped"])
    assert counts == (str(len(named)), str(len(failures)), "0", "0")
    return named


def failed(named: dict[str, ElementTree.Element]) -> dict[str, str]:
    return {name: f.attrib["type"] for name, case in named.items() if (f := case.find("failure")) is not None}


def test_a_case_a_criterion_fails_unless_it_is_shown_good() -> None:
    assert failed(cases(facts())) == {"mismatch": "shown bad", "incidents": "open", "decision": "reject"}
    good = facts(bad_from=99)
    assert good.decision == "promote"
    assert failed(cases(good)) == {}
    early = dict.fromkeys([one["rate"] for one in facts().verdict["criteria"]], "not shown yet")
    assert failed(cases(facts(hours=2, bad_from=99))) == early | {"decision": "not yet"}


def test_no_data_fails_and_says_why() -> None:
    named = cases(nothing())
    assert failed(named) == {"decision": "not yet"}
    failure = named["decision"].find("failure")
    assert failure is not None
    assert "no window has been judged" in (failure.text or "")


def test_a_criterion_with_characters_outside_xml_is_still_in_junit() -> None:
    found = facts()
    assert found.verdict is not None
    found.verdict["incidents_open"].append(HOSTILE)  # type: ignore[attr-defined]  # a list in the record
    failure = cases(found)["incidents"].find("failure")
    assert failure is not None
    assert HOSTILE.replace("\x00", "�") in (failure.text or "")


def test_the_markdown_has_a_line_a_criterion_and_the_examples_folded() -> None:
    text = markdown(facts())
    assert text.startswith("### ❌ `fraud`: **reject**\n")
    lines = text.splitlines()
    assert "| `mismatch` | shown bad | 160 | 6,000 | 1 % | – |" in lines
    assert any(line.startswith("| `missing` | shown good | 0 | 6,000 | 1 % |") for line in lines)
    assert "<details><summary>3 of 3 examples</summary>" in lines
    assert "| mismatch | `order-2` | `score` | `0.25` | `0.75` |" in lines
    assert text.startswith("### ⏳ `fraud`: **not yet**\n", 0) is False
    assert markdown(nothing()).startswith("### ⏳ `fraud`: **not yet**\n")


def test_the_markdown_names_the_slice_the_incident_and_what_a_criterion_lacks() -> None:
    lines = markdown(facts()).splitlines()
    at = lines.index("| slice that holds the excess | differ | of |")
    assert lines[at + 2].startswith("| ``carrier = <script>")
    assert lines[at + 2].endswith(" | 160 | 3000 |")
    assert any(one.startswith("- open: ``mismatch-13") and one.endswith("not acknowledged yet``") for one in lines)
    early = markdown(facts(hours=30, bad_from=99, criteria=[{"rate": "mismatch", "limit": 0.01, "min_units": 5_000}]))
    assert "- `mismatch`: its min\\_units asks for 5,000 however good they are" in early


def test_what_records_hold_stays_within_its_code_span_and_cell() -> None:
    text = markdown(facts(examples=1))
    for line in text.splitlines():
        if HOSTILE[:8] not in line:
            continue
        spans = line.split("``")
        inside = "".join(spans[1::2])
        outside = "".join(spans[::2])
        assert "<script" not in outside
        assert "@everyone" not in outside
        assert "|" not in inside.replace("\\|", "")
    assert code(HOSTILE).startswith("``")


def test_a_comment_never_grows_beyond_what_is_taken() -> None:
    found = facts(examples=1_000)
    assert found.verdict is not None
    found.verdict["reasons"][:] = ["because " + "x" * 9_000] * 30  # type: ignore[index]  # a list in the record
    assert len(markdown(found)) <= CHARS_MAX


def noted() -> Facts:
    """A trial with everything that a note can be about."""
    criteria = [{"rate": "mismatch", "limit": 0.01}, {"rate": "extra", "limit": 0.01, "muted": True}]
    found = facts(hours=30, bad_from=99, criteria=criteria)
    assert found.verdict is not None
    found.verdict["coverage"], found.verdict["coverage_lately"] = 0.72, 0.5  # type: ignore[index]  # a dict of the judge
    found.verdict["outcomes"]["warm_up"] = 3_000
    found.verdict["caveats"].append("delivery is at_least_once")
    return found


NOTES = (
    "coverage: 72 % of production's records were compared or judged missing",
    "in the last closed windows 50 % of production's",
    "no part of the coverage: 50 % warm_up (3,000; ",
    "the candidate ran in a process of its own",
    "muted, so they decide nothing: extra",
    "delivery is at_least_once",
)


def explained(found: Facts) -> str:
    """What the case of the coverage says in JUnit."""
    text = cases(found)["coverage"].findtext("system-out") or ""
    assert len(text.splitlines()) >= 5
    return text


SHOWN: dict[str, Callable[[Facts], str]] = {
    "markdown": lambda found: markdown(found).replace("\\", "").partition("**What it rests on**")[2],
    "junit": explained,
    "page": lambda found: " ".join(html.unescape(re.sub("<[^>]*>", " ", page(found))).split()),
}


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_coverage_isolation_muted_criteria_and_caveats_are_shown(shown: Callable[[Facts], str]) -> None:
    text = shown(noted())
    assert [note for note in NOTES if note not in text] == []


def test_markdown_and_junit_name_candidate_config_input_and_delta() -> None:
    found = facts()
    text = markdown(found)
    for part in ("candidate `candidates:score`", "report made `2013-06-04 00:00:00 UTC`", "| `score` | 160 | +0.5 |"):
        assert part in text
    assert '| | | input | `payments/0@0 amount: 250, country: "NO"` | |' in text
    suite = ElementTree.fromstring(junit(found).encode())
    named = {one.attrib["name"]: one.attrib["value"] for one in suite.findall("properties/property")}
    assert (named["candidate"], named["report_made"]) == ("candidates:score", "2013-06-04 00:00:00 UTC")
