"""The chart, asked by the real helm: what it renders, what it refuses, and that no pod can do harm.

helm is built from its Go module once, minutes of CPU: `make proof` does so. Until then these tests say so and skip.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from shadowstream.config import Config
from shadowstream.configfile import load
from tests.helm import chart
from tests.monitoring.__main__ import FILES
from tests.monitoring.expressions import ANY_TRIAL
from tests.monitoring.rules import RULES

ENVIRON = {"KAFKA_BOOTSTRAP": "kafka:9093", "KAFKA_USER": "u", "KAFKA_PASSWORD": "p"}
MINIMAL = ("--values", str(chart.MINIMAL))
EVERYTHING = ("--values", str(chart.EVERYTHING))
OF_AN_OPERATOR = {"PrometheusRule", "ServiceMonitor"}
"""Kinds that Kubernetes itself does not know."""


@pytest.fixture(scope="module")
def helm() -> Path:
    """The real one; skips with the reason where it is not built yet."""
    found = chart.cached_helm()
    if not found.exists():
        pytest.skip(f"helm {chart.HELM_VERSION} is not built on this machine yet: `make proof` does so, once")
    return found


@pytest.fixture(scope="module")
def everything(helm: Path) -> list[dict[str, Any]]:
    return chart.template(helm, *EVERYTHING)


def refused(helm: Path, *arguments: str) -> str:
    """Why helm renders nothing."""
    done = chart.run_helm(helm, "template", "trial", str(chart.CHART), *arguments)
    assert done.returncode != 0
    return done.stderr


def kinds(objects: list[dict[str, Any]]) -> list[str]:
    return sorted(thing["kind"] for thing in objects)


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [thing for thing in objects if thing["kind"] == kind]


def assert_valid(objects: list[dict[str, Any]]) -> None:
    """Every object is Kubernetes' own and valid, strictly: no unknown key either."""
    for thing in objects:
        if thing["kind"] not in OF_AN_OPERATOR:
            kubernetes_validate.validate(thing, f"1.{chart.KUBERNETES_MINOR}", strict=True)


def assert_restricted(pod: dict[str, Any]) -> None:
    """Pod Security `restricted`, a read-only root, no token, bounds on what it takes."""
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(spec)
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert set(container["resources"]) == {"requests", "limits"}
        assert not any("hostPort" in port for port in container.get("ports", ()))
    assert {"emptyDir"} <= {kind for volume in spec["volumes"] for kind in volume if volume["name"] == "tmp"}
    assert not any("hostPath" in volume for volume in spec["volumes"])


def trial_of(objects: list[dict[str, Any]], folder: Path) -> Config:
    """The config as a pod finds it: its files laid out as the kubelet lays out a ConfigMap, by symbolic links."""
    for thing in of_kind(objects, "ConfigMap"):
        if thing["metadata"]["name"].endswith("-dashboard"):
            continue  # Grafana reads it, no pod
        place = folder / "schemas" if thing["metadata"]["name"].endswith("-schemas") else folder
        (place / "..data").mkdir(parents=True)
        for name, text in thing["data"].items():
            (place / "..data" / name).write_text(text, encoding="utf-8")
            (place / name).symlink_to(Path("..data") / name)
    return load(folder / "trial.yaml", ENVIRON)


@pytest.mark.long
def test_helm_lints_the_chart_cleanly_and_refuses_a_misspelt_value() -> None:
    """The must-show in full, on a machine that has no helm yet."""
    try:
        helm = chart.build_helm()
    except chart.NoHelm as reason:
        pytest.skip(str(reason))
    for values in (MINIMAL, EVERYTHING):
        lint = chart.run_helm(helm, "lint", "--strict", str(chart.CHART), *values)
        assert lint.returncode == 0, lint.stdout + lint.stderr
        objects = chart.template(helm, *values)
        assert_valid(objects)
        for pod in [*chart.pods(objects).values(), *chart.hooks(objects).values()]:
            assert_restricted(pod)
    assert "'replica' not allowed" in refused(helm, *MINIMAL, "--set", "joiner.replica=2")


@pytest.mark.parametrize("values", [MINIMAL, EVERYTHING], ids=["minimal", "everything"])
def test_helm_lint_is_content(helm: Path, values: tuple[str, ...]) -> None:
    done = chart.run_helm(helm, "lint", "--strict", str(chart.CHART), *values)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_object_is_valid(helm: Path, everything: list[dict[str, Any]]) -> None:
    assert_valid(chart.template(helm, *MINIMAL))
    assert_valid(everything)


def test_the_least_is_two_stateful_sets_and_a_judge(helm: Path) -> None:
    objects = chart.template(helm, *MINIMAL)
    assert kinds(objects) == [
        *("ConfigMap", "Deployment", "Pod", "Service", "Service", "Service", "ServiceAccount"),
        *("StatefulSet", "StatefulSet"),
    ]
    assert set(chart.pods(objects)) == {"runner", "joiner", "judge"}
    assert set(chart.hooks(objects)) == {"test"}


def test_everything_adds_alerts_budgets_schemas_and_a_monitor(everything: list[dict[str, Any]]) -> None:
    assert set(chart.pods(everything)) == {"runner", "joiner", "judge", "labels", "alerts", "web"}
    assert set(chart.hooks(everything)) == {"test", "pre-upgrade"}
    assert kinds(everything).count("PodDisruptionBudget") == 2
    assert kinds(everything).count("ConfigMap") == 3
    assert kinds(everything).count("ServiceMonitor") == kinds(everything).count("PrometheusRule") == 1


def test_each_pod_is_restricted(helm: Path, everything: list[dict[str, Any]]) -> None:
    minimal = chart.template(helm, *MINIMAL)
    roles = [*chart.pods(minimal).values(), *chart.pods(everything).values()]
    for pod in [*roles, *chart.hooks(minimal).values(), *chart.hooks(everything).values()]:
        assert_restricted(pod)
        assert pod["spec"]["securityContext"]["runAsUser"] == 65532


def test_openshift_may_choose_the_user_and_loosens_nothing_else(helm: Path) -> None:
    for pod in chart.pods(chart.template(helm, *MINIMAL, "--set", "runAsUser=null,fsGroup=null")).values():
        assert_restricted(pod)
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(pod["spec"]["securityContext"])


def test_a_role_is_started_as_the_cli_knows_it(everything: list[dict[str, Any]]) -> None:
    instance = ["--instance", "$(POD_NAME)"]
    listen = ["--listen", "0.0.0.0:9100"]
    trial = "/etc/shadowstream/trial.yaml"
    assert {role: pod["spec"]["containers"][0]["args"] for role, pod in chart.pods(everything).items()} == {
        "runner": ["run", trial, *instance, *listen],
        "joiner": ["join", trial, *instance, *listen],
        "judge": ["judge", trial, *listen],
        "labels": ["labels", trial, *listen],
        "alerts": ["alerts", "run", trial, *listen],
        "web": ["web", trial, "--listen", "0.0.0.0:8787"],
    }


def test_a_pods_stable_name_is_its_instance_and_judges_are_single(everything: list[dict[str, Any]]) -> None:
    services = {thing["metadata"]["name"]: thing["spec"] for thing in of_kind(everything, "Service")}
    for thing in of_kind(everything, "StatefulSet"):
        env = thing["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}} in env
        assert services[thing["spec"]["serviceName"]]["clusterIP"] == "None"
    for thing in of_kind(everything, "Deployment"):
        if not thing["metadata"]["name"].endswith("-web"):  # it reads only
            assert (thing["spec"]["replicas"], thing["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_each_role_has_its_own_secret_beside_that_of_all(everything: list[dict[str, Any]]) -> None:
    pods = of_kind(everything, "StatefulSet") + of_kind(everything, "Deployment")
    secrets = {
        container["name"]: [source["secretRef"]["name"] for source in container["envFrom"]]
        for pod in pods
        for container in pod["spec"]["template"]["spec"]["containers"]
    }
    assert secrets.pop("runner") == ["fraud-kafka", "fraud-runner"]
    assert secrets.pop("web") == ["fraud-kafka", "fraud-reader", "fraud-web"]
    assert len(secrets) == 4
    assert set(map(tuple, secrets.values())) == {("fraud-kafka",)}


def test_selectors_find_their_own_pods_and_no_others(everything: list[dict[str, Any]]) -> None:
    pods = chart.pods(everything)
    for thing in everything:
        if thing["kind"] in ("StatefulSet", "Deployment", "PodDisruptionBudget", "Service"):
            selector = thing["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            found = [role for role, pod in pods.items() if wanted <= pod["metadata"]["labels"].items()]
            assert found == [thing["metadata"]["labels"]["app.kubernetes.io/component"]]


def test_the_monitor_finds_every_roles_port(everything: list[dict[str, Any]]) -> None:
    [monitor] = of_kind(everything, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    found = [service for service in of_kind(everything, "Service") if wanted <= service["metadata"]["labels"].items()]
    assert len(found) == len(chart.pods(everything))
    [endpoint] = monitor["spec"]["endpoints"]
    ports = {service["metadata"]["name"]: [port["name"] for port in service["spec"]["ports"]] for service in found}
    assert ports.pop("trial-shadowstream-web") == ["http"], "the page has no metrics"
    for names in ports.values():
        assert names == [endpoint["port"]]
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["shadows"]}


def test_rules_are_of_this_trial_and_give_commands_of_this_cluster(everything: list[dict[str, Any]]) -> None:
    [rendered] = of_kind(everything, "PrometheusRule")
    assert rendered["metadata"]["labels"]["release"] == "prometheus"
    [group] = rendered["spec"]["groups"]
    [file_group] = yaml.safe_load((FILES / "rules.yaml").read_text("utf-8"))["groups"]
    command = "kubectl --namespace shadows exec deployment/trial-shadowstream-judge -- shadowstream"
    assert len(group["rules"]) == len(RULES)
    for rule, given, of_file in zip(RULES, group["rules"], file_group["rules"], strict=True):
        assert given["expr"] == of_file["expr"].replace(ANY_TRIAL, 'shadow="fraud"')
        words = given["annotations"]
        assert words["summary"] == of_file["annotations"]["summary"]
        assert words["description"].endswith(f"Next: `{command} {rule.command} /etc/shadowstream/trial.yaml`")
        assert words["runbook_url"] == f"https://example.com/shadowstream/operations#{rule.name.lower()}"


def test_the_dashboard_is_the_file_with_the_sidecars_label(everything: list[dict[str, Any]]) -> None:
    [made] = [thing for thing in of_kind(everything, "ConfigMap") if thing["metadata"]["name"].endswith("-dashboard")]
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "Trials"}
    [text] = made["data"].values()
    assert json.loads(text) == json.loads((FILES / "dashboard.json").read_text("utf-8"))


@pytest.mark.parametrize("values", [chart.MINIMAL, chart.EVERYTHING], ids=["minimal", "everything"])
def test_the_rendered_trial_loads_and_is_what_was_given(helm: Path, values: Path, tmp_path: Path) -> None:
    found = trial_of(chart.template(helm, "--values", str(values)), tmp_path / "rendered")
    given = yaml.safe_load(values.read_text(encoding="utf-8"))
    direct = tmp_path / "rendered" / "direct.yaml"
    direct.write_text(yaml.safe_dump(given["config"]), encoding="utf-8")
    assert found == load(direct, ENVIRON)


def test_the_mounted_schemas_are_found_where_the_config_says(everything: list[dict[str, Any]], tmp_path: Path) -> None:
    from shadowstream.kafka.schemas.registry import FolderSchemas

    trial = trial_of(everything, tmp_path)
    assert trial.schemas.dir is not None
    assert FolderSchemas(trial.schemas.dir).latest_id("scores-value") == 2
    for pod in chart.pods(everything).values():
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert mounts["schemas"] == "/etc/shadowstream/schemas"
        assert mounts["config"] == "/etc/shadowstream/trial.yaml"


def test_a_changed_config_makes_new_pods_and_the_same_one_does_not(helm: Path) -> None:
    def checksums(*more: str) -> set[str]:
        pods = chart.pods(chart.template(helm, *MINIMAL, *more)).values()
        return {pod["metadata"]["annotations"]["checksum/config"] for pod in pods}

    assert checksums() == checksums("--set", "runner.replicas=5")
    assert checksums() != checksums("--set", "config.grace_ms=1")


def test_a_roles_own_image_wins(everything: list[dict[str, Any]]) -> None:
    images = {role: pod["spec"]["containers"][0]["image"] for role, pod in chart.pods(everything).items()}
    assert images["runner"] == "registry.example.com/fraud/shadowstream:runner"
    assert images["joiner"].startswith("registry.example.com/fraud/shadowstream@sha256:")


def test_a_long_release_name_still_fits_the_labels_of_its_pods(helm: Path) -> None:
    done = chart.run_helm(helm, "template", "r" * 53, str(chart.CHART), *MINIMAL)
    for thing in yaml.safe_load_all(done.stdout):
        # A StatefulSet's pods bear a label of its name, a dash and ten characters, of at most 63.
        assert len(thing["metadata"]["name"]) <= 52


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("joiner.replica=2", "'replica' not allowed"),
        ("judge.replicas=2", "'replicas' not allowed"),
        ("alerts.replicas=2", "'replicas' not allowed"),
        ("metrics.serviceMonitors.enabled=true", "'serviceMonitors' not allowed"),
        ("podSecurityContext.runAsNonRoot=false", "'podSecurityContext' not allowed"),
        ("runAsUser=0", "minimum: got 0, want 1"),
        ("image.digest=latest", "does not match pattern"),
        ("config.compare.ruls=1", "'ruls' not allowed"),
        ("config.name=Fraud", "does not match pattern"),
        ("config.bounded=true", "run `shadowstream up`"),
        ("config.extends=org.yaml", "give the extended file to Helm"),
        ("config.schemas.dir=schemas", "there are no schemas"),
        ("schemas.existingConfigMap=avro", 'set config.schemas.dir to "schemas"'),
    ],
)
def test_what_would_go_wrong_in_the_cluster_is_refused_here(helm: Path, assignment: str, message: str) -> None:
    assert message in refused(helm, *MINIMAL, "--set", assignment)


@pytest.mark.parametrize("missing", ["name", "inputs", "production.outputs", "candidate.call", "kafka.bootstrap"])
def test_what_a_trial_cannot_do_without_is_asked_for(helm: Path, missing: str, tmp_path: Path) -> None:
    values = yaml.safe_load(chart.MINIMAL.read_text(encoding="utf-8"))
    *parents, last = missing.split(".")
    place = values["config"]
    for name in parents:
        place = place[name]
    del place[last]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    assert f"missing property '{last}'" in refused(helm, "--values", str(tmp_path / "values.yaml"))


def test_a_trial_whose_inputs_hold_the_answer_renders(helm: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(chart.MINIMAL.read_text(encoding="utf-8"))
    values["config"]["production"] = {"answer": "result.score"}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    config = trial_of(chart.template(helm, "--values", str(tmp_path / "values.yaml")), tmp_path)
    assert config.production.outputs == config.inputs
    notes = notes_of(helm, tmp_path / "chart", "--values", str(tmp_path / "values.yaml"))
    assert "Rights" in notes


def test_the_notes_say_what_to_do_next(helm: Path, tmp_path: Path) -> None:
    notes = notes_of(helm, tmp_path / "shadowstream", *EVERYTHING)
    trial = "/etc/shadowstream/trial.yaml"
    exec_ = "kubectl --namespace shadows exec deployment/trial-shadowstream-judge -- shadowstream"
    for word in (
        *(f"{exec_} gate {trial}", f"{exec_} diff {trial}"),
        *(
            "rollout status statefulset/trial-shadowstream-joiner",
            "topics acls trial.yaml --principal",
            "shadow.fraud. ",
        ),
        *("payments, scores", "offsets of the groups fraud-model"),
    ):
        assert word in notes, notes


def notes_of(helm: Path, copy: Path, *values: str) -> str:
    """The chart's notes. helm prints them where it installs, for which it wants a cluster; a template may hold them."""
    shutil.copytree(chart.CHART, copy)
    include = '{{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}'
    (copy / "templates" / "told.yaml").write_text(f"notes: {include}", encoding="utf-8")
    done = chart.run_helm(helm, "template", "trial", str(copy), *values, "--namespace", "shadows")
    assert done.returncode == 0, done.stderr
    notes: str = next(thing["notes"] for thing in yaml.safe_load_all(done.stdout) if thing and "notes" in thing)
    return notes


def test_an_external_candidate_is_watched_by_the_runners_pod(helm: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(chart.MINIMAL.read_text(encoding="utf-8"))
    values["config"]["candidate"] = {"topic": "scores-next", "group": "fraud-next", "version": "7"}
    values["config"]["twin"] = {"topic": "scores-again", "group": "fraud-again"}
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    objects = chart.template(helm, "--values", str(path))
    assert_valid(objects)
    assert set(chart.pods(objects)) == {"runner", "joiner", "judge"}
    assert trial_of(objects, tmp_path).candidate.topic == "scores-next"
    notes = notes_of(helm, tmp_path / "shadowstream", "--values", str(path))
    for word in (
        *("watches the candidate's job fraud-next, version 7", "payments, scores, scores-next, scores-again"),
        *("fraud-next, fraud-again are looked at, never changed",),
    ):
        assert word in notes, notes


def test_the_kubernetes_validator_would_notice(everything: list[dict[str, Any]]) -> None:
    broken = json.loads(json.dumps(of_kind(everything, "StatefulSet")[0]))
    broken["spec"]["replicaCount"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replicaCount"):
        assert_valid([broken])
