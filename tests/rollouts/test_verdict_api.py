"""`/api/verdict`: the gate's answer over HTTP, of a real page on a real broker."""

import base64
import json
import re
import shlex

import pytest

from shadowstream.web.release_gate import HOOKS
from tests.docs.markdown import blocks
from tests.rollouts.cases import CASES, TOKEN, Case, Site
from tests.rollouts.test_argo import ADDRESS, GUIDE

KEYS = {"name", "revision", "decision", "reasons", "evaluated_at_ms", "age_s", "final", "judged", "override"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_case_has_its_decision_and_the_reason(site: Site, case: Case) -> None:
    found = site.get(f"/api/verdict{site.query(case)}")
    assert (found.status, found.json["decision"], found.json["exit_code"]) == (
        case.status,
        case.decision,
        case.exit_code,
    )
    assert found.json["reasons"]
    if case.status == 200:
        assert found.json.keys() == KEYS | {"exit_code"}
        assert found.json["name"] == site.names[case.verdict]


@pytest.mark.parametrize("kind", ["promote", "stale reject", "reject of a foreign revision"])
def test_it_says_what_the_command_says(site: Site, kind: str) -> None:
    case = CASES[kind]
    words = ["gate", str(site.configs[case.verdict]), "--json", "--revision", site.revision(case)]
    command, api = json.loads(site.command(*words).stdout), site.get(f"/api/verdict{site.query(case)}").json
    for key in ("name", "revision", "decision"):
        assert api[key] == command[key]
    for key in ("exit_code", "judged", "override"):
        assert api[key] == command["gate"][key]
    texts = [[re.sub(r"\d+ s old", "", one) for one in found["reasons"]] for found in (api, command)]
    assert texts[0] == texts[1]


def test_the_line_of_the_guide_asks_for_a_revision(site: Site) -> None:
    (line,) = [one for one in blocks(GUIDE, "sh") if one.startswith("curl")]
    _, option, header, url = shlex.split(line.replace("$TOKEN", TOKEN))
    assert option == "-H"
    name, _, text = header.partition(": ")
    path = url.removeprefix(ADDRESS)
    assert path.startswith("/api/verdict?revision=")
    found = site.get(f"{path}&trial={site.names['promote']}", **{name.lower(): text})
    assert (found.status, found.json["decision"]) == (200, "not_yet"), "no trial of the tests has that revision"


def test_a_repeated_question_with_the_tag_has_no_body(site: Site) -> None:
    path = f"/api/verdict?trial={site.names['promote']}"
    first = site.get(path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert site.get(path).json["age_s"] >= first.json["age_s"]
    for given in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = site.get(path, if_none_match=given)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert site.get(path, if_none_match='"other"').status == 200
    other = site.get(f"/api/verdict?trial={site.names['reject']}", if_none_match=tag)
    assert (other.status, other.json["decision"]) == (200, "reject")


def test_a_tag_of_a_promote_does_not_hide_that_it_is_stale(site: Site) -> None:
    path = f"/api/verdict?trial={site.names['promote']}"
    tag = site.get(path).headers["etag"]
    stale = site.get(f"{path}&max_age=0", if_none_match=tag)
    assert (stale.status, stale.json["decision"], stale.json["judged"]) == (200, "not_yet", "promote")


def test_a_stored_promote_is_never_an_answer_of_later(site: Site) -> None:
    path = f"/api/verdict?trial={site.names['stale_promote']}"
    assert site.get(path).json["decision"] == "not_yet"
    assert site.get(f"{path}&max_age=3h").json["decision"] == "promote"


def test_head_has_the_headers_of_get(site: Site) -> None:
    path = f"/api/verdict?trial={site.names['reject']}"
    found, head = site.get(path), site.get(path, "HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", found.headers["etag"])


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ("", 400, "give the trial"),
        ("?trial=absent", 404, "absent"),
        ("?trial={promote}&revision=XYZ", 400, "8 to 64 digits"),
        ("?trial={promote}&revision=", 400, "8 to 64 digits"),
        ("?trial={promote}&max_age=soon", 400, "max_age 'soon'"),
        ("?trial={promote}&maxage=1h", 400, "'maxage' is unknown"),
        ("?trial={promote}&trial={reject}", 400, "given twice"),
    ],
)
def test_a_bad_question_is_named_and_never_a_promote(site: Site, query: str, status: int, word: str) -> None:
    found = site.get("/api/verdict" + query.format_map(site.names))
    assert (found.status, found.json["decision"], found.json["exit_code"]) == (status, "not_yet", 2)
    assert word in found.json["reasons"][0]


def test_without_the_token_nothing_is_answered(site: Site) -> None:
    path = f"/api/verdict?trial={site.names['promote']}"
    basic = base64.b64encode(f"gate:{TOKEN}".encode()).decode()
    assert site.get(path, authorization=f"Basic {basic}").status == 200
    for given in ("", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Basic Z2F0ZQ==", f"Token {TOKEN}"):
        for refused in (
            site.get(path, authorization=given),
            site.get(f"{path}&token={TOKEN}", authorization=given),
            *(site.post(f"/hooks/flagger/{hook}", b"{}", authorization=given) for hook in HOOKS),
        ):
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert b"promote" not in refused.body


def test_methods_that_change_something_are_refused(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused = site.get("/api/verdict", method)
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
