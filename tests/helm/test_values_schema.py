"""The schema of the values, without helm: closed, described, and of one mind with values.yaml and the config."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.helm import chart

SCHEMA: dict[str, Any] = json.loads(chart.VALUES_SCHEMA.read_text(encoding="utf-8"))
DEFAULTS: dict[str, Any] = yaml.safe_load((chart.CHART / "values.yaml").read_text(encoding="utf-8"))
FREE_FORM = {"resources", "nodeSelector", "affinity", "global", "items"}
"""Kubernetes' own structures, which its API server checks."""


def test_the_schema_is_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_every_object_is_closed_but_kubernetes_own() -> None:
    open_ones = [
        place
        for place, part in chart.parts_of(SCHEMA)
        if part.get("type") == "object" and "additionalProperties" not in part
    ]
    assert {place.rpartition("/")[2] for place in open_ones} == FREE_FORM
    assert not [place for place in open_ones if "/config" in place]


def test_every_value_is_described() -> None:
    silent = [
        f"{place}/{name}"
        for place, part in chart.parts_of(SCHEMA)
        if not place.startswith("#/definitions/config") and isinstance(part.get("properties"), dict)
        for name, value in part["properties"].items()
        if place != "#/definitions/inACluster" and not value.keys() & {"description", "$ref", "allOf"}
        if not place.startswith("#/definitions/inACluster")
    ]
    assert not silent


def test_values_yaml_names_every_value_and_no_other() -> None:
    def names(schema: dict[str, Any]) -> dict[str, Any]:
        for part in schema.get("allOf", []):
            schema = {**schema, **part}
        if "$ref" in schema:
            schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
        return {name: names(part) for name, part in schema.get("properties", {}).items()}

    def compare(known: dict[str, Any], given: dict[str, Any], place: str) -> None:
        assert set(given) == set(known) - {"global"}, place
        for name, below in known.items():
            # The config and a role's own image are empty until someone fills them.
            if below and name in given and name != "config" and given[name] != {}:
                compare(below, given[name], f"{place}.{name}")

    compare(names(SCHEMA), DEFAULTS, "values")


def test_the_defaults_lack_the_config_and_nothing_else() -> None:
    errors = list(Draft7Validator(SCHEMA).iter_errors(DEFAULTS))
    assert {error.path[0] for error in errors} == {"config"}


@pytest.mark.parametrize("path", [chart.MINIMAL, chart.EVERYTHING], ids=["minimal", "everything"])
def test_the_examples_are_accepted(path: Any) -> None:
    Draft7Validator(SCHEMA).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


ADOPTED = {"topic": "scores-next", "group": "fraud-next", "version": "7"}


@pytest.mark.parametrize(
    ("candidate", "missing"),
    [
        (ADOPTED, None),
        ({"call": "fraud_v2.model:score"}, None),
        ({}, "call"),
        ({"topic": "scores-next", "group": "fraud-next"}, "version"),
        ({"topic": "scores-next", "version": "7"}, "group"),
    ],
)
def test_a_candidate_is_called_or_external_with_group_and_version(
    candidate: dict[str, str], missing: str | None
) -> None:
    values = yaml.safe_load(chart.MINIMAL.read_text(encoding="utf-8"))
    values["config"]["candidate"] = candidate
    messages = [error.message for error in Draft7Validator(SCHEMA).iter_errors(values)]
    assert messages == ([] if missing is None else [f"{missing!r} is a required property"])


def test_the_trials_config_is_checked_by_its_own_schema() -> None:
    assert chart.with_config_schema(SCHEMA) == SCHEMA, "run `python -m tests.helm.chart` and commit what it writes"


def test_the_chart_is_of_the_packages_version() -> None:
    version = tomllib.loads((chart.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    about = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (about["version"], about["appVersion"]) == (version, version)


def test_the_page_about_kubernetes_names_only_values_that_there_are() -> None:
    page = (chart.ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-zA-Z]+\.)*[a-zA-Z]+)=", page))
    assert named
    for path in named:
        place: Any = {**DEFAULTS, "config": yaml.safe_load(chart.MINIMAL.read_text(encoding="utf-8"))["config"]}
        for name in path.split("."):
            assert name in place, path
            place = place[name]
