"""The chart and the real helm: built once from its Go module, kept beside the other caches, called by the tests.

`python -m tests.helm.chart` writes the config's JSON Schema into the chart's values.schema.json anew.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from shadowstream.configschema import json_schema
from shadowstream.testing.jars import cache_dir, locked

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "shadowstream"
VALUES_SCHEMA = CHART / "values.schema.json"
MINIMAL = CHART / "ci" / "minimal-values.yaml"
EVERYTHING = CHART / "ci" / "everything-values.yaml"

HELM_VERSION = "v3.19.4"
KUBERNETES_MINOR = "34"
BUILD_LIMIT_S = 1800
# No symbols; and the Kubernetes that `template` and `lint` take for granted, as helm's own Makefile sets it.
_LINKED = [
    "-s",
    "-w",
    *(
        f"-X=helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={number}"
        for package in ("chartutil", "lint/rules")
        for part, number in (("Major", "1"), ("Minor", KUBERNETES_MINOR))
    ),
]
_PREFIX = "config."
_REF = "#/definitions/"


class NoHelm(Exception):
    """Why there is no helm here, as half a sentence."""


def cached_helm() -> Path:
    """Where the built helm lies, whether or not it is there: `tools` in SHADOWSTREAM_CACHE or beside Kafka's jars."""
    place = cache_dir() if os.environ.get("SHADOWSTREAM_CACHE") else cache_dir().parent
    return place / "tools" / f"helm-{HELM_VERSION}"


def build_helm() -> Path:
    """The cached helm, built from its Go module where it is not there yet: about 4 CPU minutes, once.

    Raises `NoHelm` where Go is absent or the build is impossible.
    """
    helm = cached_helm()
    if helm.exists():
        return helm
    go = shutil.which("go")
    if go is None:
        raise NoHelm("Go is not installed, and helm is built from its Go module")
    try:
        helm.parent.mkdir(parents=True, exist_ok=True)
        with locked(helm.parent / f"{helm.name}.lock"):
            if not helm.exists():
                _build(go, helm)
    except OSError as error:
        raise NoHelm(f"the cache of tools cannot be used: {error}") from error
    return helm


def _build(go: str, helm: Path) -> None:
    print(f"building helm {HELM_VERSION} into {helm}, once", file=sys.stderr)
    place = helm.parent / f"{helm.name}.building"
    environment = {**os.environ, "GOBIN": str(place), "CGO_ENABLED": "0"}
    command = [go, "install", f"-ldflags={' '.join(_LINKED)}", f"helm.sh/helm/v3/cmd/helm@{HELM_VERSION}"]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoHelm(f"helm was not built within {BUILD_LIMIT_S} s") from error
    if done.returncode:
        raise NoHelm(f"helm cannot be built here: {' '.join(done.stderr.split()[-60:])}")
    (place / "helm").rename(helm)
    shutil.rmtree(place)


def run_helm(helm: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`helm arguments`, without the caller's own settings, plugins and cluster."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": os.devnull}
        return subprocess.run(
            [helm, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )


def template(helm: Path, *arguments: str) -> list[dict[str, Any]]:
    """The objects that the chart renders for a release named trial in the namespace shadows."""
    done = run_helm(helm, "template", "trial", str(CHART), "--namespace", "shadows", *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod template of each role."""
    found = [thing["spec"]["template"] for thing in objects if thing["kind"] in ("StatefulSet", "Deployment")]
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in found}


def hooks(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod template of each hook, by the events at which helm runs it."""
    found = [thing for thing in objects if thing["kind"] in ("Job", "Pod")]
    return {
        thing["metadata"]["annotations"]["helm.sh/hook"]: thing["spec"]["template"] if thing["kind"] == "Job" else thing
        for thing in found
    }


def with_config_schema(values_schema: dict[str, Any]) -> dict[str, Any]:
    """The values' schema, its definitions `config` and `config.*` replaced by the config's own JSON Schema."""
    config = json_schema()
    parts = config.pop("definitions")
    own = {
        name: part
        for name, part in values_schema["definitions"].items()
        if name != "config" and not name.startswith(_PREFIX)
    }
    made = {"config": _moved({key: value for key, value in config.items() if key != "$schema"})}
    made |= {_PREFIX + name: _moved(part) for name, part in parts.items()}
    return {**values_schema, "definitions": {**own, **made}}


def _moved(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            key: _REF + _PREFIX + value.removeprefix(_REF) if key == "$ref" else _moved(value)
            for key, value in part.items()
        }
    return [_moved(one) for one in part] if isinstance(part, list) else part


def parts_of(schema: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a JSON Schema with its place."""
    if isinstance(schema, dict):
        yield place, schema
        for key, value in schema.items():
            yield from parts_of(value, f"{place}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from parts_of(value, f"{place}/{index}")


if __name__ == "__main__":
    made = with_config_schema(json.loads(VALUES_SCHEMA.read_text(encoding="utf-8")))
    VALUES_SCHEMA.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
