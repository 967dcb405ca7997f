"""The Job of the guide: its manifest, and what Kubernetes does with the exit code of its command in each case."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.docs.markdown import blocks
from tests.helm.chart import KUBERNETES_MINOR
from tests.rollouts.cases import CASES, Case, Site
from tests.rollouts.test_argo import GUIDE

CONFIG, REVISION, WAIT = "/etc/shadowstream/trial.yaml", "9f86d081", "30m"
DONE, FAILED, AGAIN = "Complete", "FailJob", "Count"
OUTCOMES = {0: DONE, 1: AGAIN, 2: FAILED, 3: FAILED, 4: FAILED}


def job() -> dict[str, Any]:
    (found,) = [one for one in map(yaml.safe_load, blocks(GUIDE, "yaml")) if one.get("kind") == "Job"]
    assert isinstance(found, dict)
    return found


def outcome(spec: dict[str, Any], code: int) -> str:
    """What a Job does after a container has ended: the first rule that fits, else a retry (Kubernetes' reference)."""
    if code == 0:
        return DONE
    for rule in spec["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if codes is not None and (code in codes["values"]) == (codes["operator"] == "In"):
            return str(rule["action"])
    return AGAIN


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_case_completes_fails_or_repeats_the_job(site: Site, case: Case) -> None:
    (container,) = job()["spec"]["template"]["spec"]["containers"]
    replaced = {CONFIG: str(site.configs[case.verdict]), REVISION: site.revision(case), WAIT: "1s"}
    assert replaced.keys() <= set(container["args"])
    done = site.command(*(replaced.get(word, word) for word in container["args"]))
    assert done.returncode == case.exit_code, done.stderr
    expected = {"promote": DONE, "reject": FAILED, "not_yet": FAILED}[case.decision]
    assert outcome(job()["spec"], done.returncode) == (expected if case.status == 200 else AGAIN)


def test_the_manifest_is_valid_and_its_policy_can_hold() -> None:
    found = job()
    kubernetes_validate.validate(found, f"1.{KUBERNETES_MINOR}", strict=True)
    spec, pod = found["spec"], found["spec"]["template"]["spec"]
    assert {code: outcome(spec, code) for code in OUTCOMES} == OUTCOMES
    assert outcome(spec, 143) == AGAIN
    assert pod["restartPolicy"] == "Never", "Kubernetes refuses a pod failure policy with any other"
    names = {one["name"] for one in pod["containers"]}
    assert {rule["onExitCodes"]["containerName"] for rule in spec["podFailurePolicy"]["rules"][:1]} <= names
    assert spec["backoffLimit"] > 0
    assert spec["activeDeadlineSeconds"] > 30 * 60, "the wait fits"
