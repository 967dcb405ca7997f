"""The dashboard: as Grafana's own types have it, of metrics that exist, in queries that Prometheus parses."""

import enum
import json
import types
import typing
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.metrics.test_rules import families, needs_promtool, promtool
from tests.monitoring.__main__ import FILES
from tests.monitoring.expressions import KNOWN
from tests.monitoring.rules import RULES

CONTENT: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in CONTENT["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
SEEN = {metric for expr in EXPRESSIONS for metric in families(expr)}


def misfits(value: Any, kind: Any, place: str) -> list[str]:
    """Where a value is not of the type that Grafana's SDK declares; objects of the SDK are looked into."""
    options = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    if type(value).__module__.startswith("grafana_foundation_sdk.models") and not isinstance(value, str | int):
        hints = typing.get_type_hints(type(value))
        return [one for name, hint in hints.items() for one in misfits(getattr(value, name), hint, f"{place}.{name}")]
    plain = [typing.get_origin(option) or option for option in options]
    if isinstance(value, list) and list in plain:
        (inner,) = typing.get_args(options[plain.index(list)])
        return [one for place_, item in enumerate(value) for one in misfits(item, inner, f"{place}[{place_}]")]
    if typing.Literal in plain and value in typing.get_args(options[plain.index(typing.Literal)]):
        return []
    classes = [option for option in plain if isinstance(option, type)]
    unread = next((one for one in classes if isinstance(value, dict) and hasattr(one, "from_json")), None)
    if unread is not None:  # the SDK leaves some parts of a dashboard as they are
        return misfits(unread.from_json(value), unread, place)
    members = [member.value for one in classes if issubclass(one, enum.Enum) for member in one]
    fits = any(isinstance(value, one) for one in classes) or value in members
    return [] if fits or (float in classes and type(value) is int) else [f"{place}: {value!r} is not {kind}"]


def test_the_file_is_a_dashboard_as_grafanas_types_have_it() -> None:
    read = Dashboard.from_json(CONTENT)
    assert json.loads(JSONEncoder().encode(read)) == CONTENT, "a key that Grafana does not know"
    assert misfits(read, Dashboard, "dashboard") == []


@pytest.mark.parametrize(
    ("panel", "wrong"), [({"title": 5}, "title"), ({"gridPos": {"h": "8", "w": 8, "x": 0, "y": 0}}, "h")]
)
def test_a_value_of_another_type_is_noticed(panel: dict[str, Any], wrong: str) -> None:
    broken = json.loads(json.dumps(CONTENT))
    broken["panels"][-1] |= panel
    found = misfits(Dashboard.from_json(broken), Dashboard, "dashboard")
    assert [one.partition(":")[0].rpartition(".")[2] for one in found] == [wrong]


def test_a_key_that_grafana_does_not_know_is_noticed() -> None:
    broken = CONTENT | {"titel": "shadowstream"}
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(broken))) != broken


def test_panels_fill_the_grid_and_do_not_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in CONTENT["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))


def test_each_query_is_of_the_chosen_trial_and_of_metrics_that_exist() -> None:
    assert KNOWN.keys() >= SEEN
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]
        for target in panel["targets"]:
            assert 'shadow="$trial"' in target["expr"]
            assert 'revision=~"$revision"' in target["expr"]


def test_the_variables_are_data_source_trial_and_revision() -> None:
    assert [one["name"] for one in CONTENT["templating"]["list"]] == ["datasource", "trial", "revision"]


@pytest.mark.parametrize(
    "shown",
    [
        *("verdict", "rate", "criterion_limit", "criterion_units", "criterion_bad_units", "evidence", "coverage"),
        *("lag_records", "records_total", "latency_seconds", "incidents_open", "candidate_errors_total", "build_info"),
    ],
)
def test_the_dashboard_shows_what_people_ask_for(shown: str) -> None:
    assert shown in SEEN


def test_each_metric_of_the_table_is_in_a_panel_or_a_rule() -> None:
    assert SEEN | {metric for rule in RULES for metric in families(rule.expr)} == KNOWN.keys()


@needs_promtool
def test_prometheus_parses_every_query(tmp_path: Any) -> None:
    rules = [{"record": "a", "expr": filled(expr)} for expr in EXPRESSIONS]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": rules}]}), "utf-8")
    done = promtool("check", "rules", "--lint=none", str(tmp_path / "queries.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(EXPRESSIONS)} rules found" in done.stdout


def filled(expr: str, trial: str = "fraud") -> str:
    """A query with the variables that Grafana puts in."""
    return expr.replace("$trial", trial).replace("$revision", ".*").replace("$__rate_interval", "5m")
