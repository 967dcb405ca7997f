"""What the chart adds for releases: the page for programs, the Job before an upgrade, and the pod of `helm test`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.markdown import blocks
from tests.helm import chart
from tests.helm.test_chart import MINIMAL, everything, helm, of_kind, refused
from tests.rollouts.test_argo import ADDRESS, GUIDE
from tests.rollouts.test_gate_job import OUTCOMES, job, outcome

__all__ = ["everything", "helm"]
TRIAL = "/etc/shadowstream/trial.yaml"


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_an_upgrade_waits_for_the_gate_and_repeats_only_what_may_pass(everything: list[dict[str, Any]]) -> None:
    (made,) = of_kind(everything, "Job")
    gate = container(made["spec"]["template"])
    assert gate["args"] == ["gate", TRIAL, "--max-age", "1h", "--wait", "4m", "--revision", "9f86d081"]
    assert {code: outcome(made["spec"], code) for code in OUTCOMES} == OUTCOMES
    assert made["spec"]["podFailurePolicy"] == job()["spec"]["podFailurePolicy"]
    assert made["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"] == gate["name"]
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert made["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    assert [one["secretRef"]["name"] for one in gate["envFrom"]] == ["fraud-kafka", "fraud-reader"]


def test_without_a_revision_the_job_asks_for_the_configs_own(helm: Path) -> None:
    (made,) = of_kind(chart.template(helm, *MINIMAL, "--set", "gateJob.enabled=true"), "Job")
    assert "--revision" not in container(made["spec"]["template"])["args"]


def test_helm_test_reads_the_trial_as_reader(everything: list[dict[str, Any]]) -> None:
    (pod,) = of_kind(everything, "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container(pod)["args"] == ["status", TRIAL]
    assert pod["spec"]["restartPolicy"] == "Never"
    assert [one["secretRef"]["name"] for one in container(pod)["envFrom"]] == ["fraud-kafka", "fraud-reader"]
    assert {"ports", "livenessProbe", "readinessProbe", "startupProbe"}.isdisjoint(container(pod))


def test_the_page_is_found_where_the_guide_says(helm: Path, tmp_path: Path) -> None:
    guide = next(one for one in map(yaml.safe_load, blocks(GUIDE, "yaml")) if "web" in one)
    (tmp_path / "guide.yaml").write_text(yaml.safe_dump(guide), "utf-8")
    values = (*MINIMAL, "--values", str(tmp_path / "guide.yaml"))
    done = chart.run_helm(helm, "template", "fraud", str(chart.CHART), "--namespace", "shadows", *values)
    assert done.returncode == 0, done.stderr
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    (service,) = [one for one in of_kind(objects, "Service") if one["metadata"]["name"].endswith("-web")]
    (port,) = service["spec"]["ports"]
    place = service["metadata"]
    assert f"http://{place['name']}.{place['namespace']}.svc:{port['port']}" == ADDRESS
    web = chart.pods(objects)["web"]
    assert service["spec"]["selector"].items() <= web["metadata"]["labels"].items()
    assert container(web)["ports"] == [{"name": port["targetPort"], "containerPort": 8787, "protocol": "TCP"}]
    assert container(web)["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    (config,) = [one["name"] for one in (one["metadata"] for one in of_kind(objects, "ConfigMap"))]
    (mounted,) = [
        one["configMap"]["name"] for one in job()["spec"]["template"]["spec"]["volumes"] if "configMap" in one
    ]
    assert mounted == config
    (wanted,) = [one["secretRef"]["name"] for one in container(job()["spec"]["template"])["envFrom"]]
    assert wanted == guide["reader"]["existingSecret"]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("web.enabled=true", "SHADOWSTREAM_GATE_TOKEN"),
        ("web.replicas=2", "'replicas' not allowed"),
        ("gateJob.revision=latest", "gateJob/revision"),
        ("gateJob.wait=soon", "gateJob/wait"),
    ],
)
def test_values_that_gate_nothing_are_refused(helm: Path, assignment: str, message: str) -> None:
    assert message in refused(helm, *MINIMAL, "--set", assignment)


def test_a_template_without_release_hooks_has_neither_page_nor_job(helm: Path) -> None:
    objects = chart.template(helm, *MINIMAL)
    assert not of_kind(objects, "Job")
    assert "web" not in chart.pods(objects)
