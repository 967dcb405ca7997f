"""The AnalysisTemplate of the guide, held against what Argo Rollouts makes of each answer.

The default suite evaluates its conditions in Python. The long tests ask Argo Rollouts' own web provider, and the
library by which its newest release evaluates conditions.
"""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadowstream.testing.ports import free_port
from tests.docs.markdown import ROOT, blocks
from tests.rollouts import go_programs
from tests.rollouts.cases import CASES, TOKEN, Case, Site

GUIDE = ROOT / "docs" / "how-to" / "gate-on-kubernetes.md"
ADDRESS = "http://fraud-shadowstream-web.shadows.svc:8787"
PHASES = {"promote": "Successful", "reject": "Failed", "not_yet": "Inconclusive"}


def template() -> dict[str, Any]:
    (found,) = [one for one in map(yaml.safe_load, blocks(GUIDE, "yaml")) if one.get("kind") == "AnalysisTemplate"]
    assert isinstance(found, dict)
    return found


def metric_of(address: str, trial: str, revision: str) -> dict[str, Any]:
    """The metric with its arguments in place, as the controller fills them in, for a trial of the tests."""
    (metric,) = template()["spec"]["metrics"]
    text = json.dumps(metric)
    for old, new in (
        (ADDRESS, address),
        ("trial=fraud", f"trial={trial}"),
        ("{{args.revision}}", revision),
        ("{{args.token}}", TOKEN),
    ):
        assert old in text
        text = text.replace(old, new)
    assert "{{" not in text
    filled = json.loads(text)
    assert isinstance(filled, dict)
    return filled


def holds(condition: str, result: str) -> bool:
    """Evaluate a condition that compares `result` with a text: the same in Python and in Argo's language."""
    found = ast.parse(condition, mode="eval").body
    assert isinstance(found, ast.Compare)
    assert isinstance(found.left, ast.Name)
    assert found.left.id == "result"
    assert [type(one) for one in found.ops] == [ast.Eq]
    (right,) = found.comparators
    return bool(result == ast.literal_eval(right))


def phase(site: Site, case: Case) -> str:
    """The phase of a measurement by the rules of Argo's web provider: an error for any status but 2xx; a failure before
    a success; inconclusive where neither condition holds."""
    web = (metric := metric_of(site.url, site.trial(case), site.revision(case)))["provider"]["web"]
    headers = {one["key"].lower(): one["value"] for one in web["headers"]}
    answer = site.get(web["url"].removeprefix(site.url), **headers)
    if not 200 <= answer.status < 300:
        return "Error"
    assert web["jsonPath"] == "{$.decision}"
    result = answer.json["decision"]
    if holds(metric["failureCondition"], result):
        return "Failed"
    return "Successful" if holds(metric["successCondition"], result) else "Inconclusive"


def expected(case: Case) -> str:
    return PHASES[case.decision] if case.status == 200 else "Error"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_case_has_its_phase_by_the_conditions(site: Site, case: Case) -> None:
    assert phase(site, case) == expected(case)


def test_only_measured_promotes_can_end_the_analysis_successfully() -> None:
    (metric,) = template()["spec"]["metrics"]
    # A metric is successful once `count` measurements are in and no limit is exceeded, errors not counted: so not one
    # of them may be a reject, and not all of them inconclusive.
    assert metric["failureLimit"] == 0
    assert metric["inconclusiveLimit"] == metric["count"] - 1
    assert metric["consecutiveSuccessLimit"] == 1
    assert {"successCondition", "failureCondition"} <= metric.keys()


def test_a_rollout_names_the_template_and_gives_its_arguments() -> None:
    (steps,) = [one["strategy"] for one in map(yaml.safe_load, blocks(GUIDE, "yaml")) if "strategy" in one]
    analysis, *others = steps["canary"]["steps"]
    assert analysis["analysis"]["templates"] == [{"templateName": template()["metadata"]["name"]}]
    needed = {one["name"] for one in template()["spec"]["args"] if not one.keys() & {"value", "valueFrom"}}
    assert {one["name"] for one in analysis["analysis"]["args"]} == needed
    assert others == [{"setWeight": 20}], "no traffic moves before the analysis"


@pytest.mark.long
def test_the_real_web_provider_measures_each_case_so(site: Site, tmp_path: Path) -> None:
    cases = list(CASES.values())
    nobody = f"http://127.0.0.1:{free_port()}"
    metrics = [metric_of(site.url, site.trial(case), site.revision(case)) for case in cases]
    refused = json.loads(json.dumps(metrics[0]).replace(TOKEN, "x" * 20))
    metrics += [metric_of(nobody, "fraud", site.own), refused]
    measured = go_programs.call("argo", metrics, tmp_path)
    assert [one["phase"] for one in measured] == [*map(expected, cases), "Error", "Error"]
    assert [json.loads(one["value"]) for one in measured if one["phase"] != "Error"] == [
        case.decision for case in cases if case.status == 200
    ]
    assert "connection refused" in measured[-2]["message"]
    assert "401" in measured[-1]["message"]


@pytest.mark.long
def test_the_newest_expression_library_agrees_on_the_conditions(tmp_path: Path) -> None:
    (metric,) = template()["spec"]["metrics"]
    asked = [
        {"condition": metric[name], "result": result}
        for name in ("successCondition", "failureCondition")
        for result in (*PHASES, "", "promoted", "PROMOTE")
    ]
    found = go_programs.call("expressions", asked, tmp_path)
    assert found == [holds(one["condition"], one["result"]) for one in asked]
    assert sum(found) == 2
