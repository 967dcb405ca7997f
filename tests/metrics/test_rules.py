"""The alerting rules: in step with the table and the page, and each one fires and is silent where it has to."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import generate_latest

from shadowstream import cli
from shadowstream.metrics import PREFIX, Metrics
from tests.metrics.rule_cases import CASES, Case
from tests.monitoring.__main__ import FILES, texts
from tests.monitoring.expressions import ANY_TRIAL, KNOWN, SUFFIXES, metric
from tests.monitoring.rules import RULES, Rule

SELECTOR = re.compile(rf"{PREFIX}(\w+)(\{{[^}}]*\}})?")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool here: Debian's package prometheus has it")


def families(expr: str) -> set[str]:
    """The metrics of ours that an expression names, without the suffixes of histograms."""
    names = {name for name, _ in SELECTOR.findall(expr)}
    return {next((n.removesuffix(s) for s in SUFFIXES if n.removesuffix(s) in KNOWN), n) for n in names}


def test_the_files_are_made_from_the_table() -> None:
    for name, text in texts().items():
        assert (FILES / name).read_text("utf-8") == text, "make it anew: python -m tests.monitoring"
    assert {path.name for path in FILES.iterdir()} == set(texts())


def test_a_metric_or_label_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(KeyError):
        metric("record_total")
    with pytest.raises(ValueError, match="lag_records has the labels"):
        metric("lag_records", 'sides="input"')


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_names_metrics_that_exist_and_every_trial(rule: Rule) -> None:
    assert families(rule.expr) <= KNOWN.keys()
    assert all(selector.startswith("{" + ANY_TRIAL) for _, selector in SELECTOR.findall(rule.expr))
    own = {name for name in re.findall(r"[a-z_]+", rule.expr) if name.startswith("process_")}
    assert own <= set(re.findall(r"^[a-z_]+", generate_latest(Metrics("t", "joiner").registry).decode(), re.M))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_ends_with_a_command_that_exists(rule: Rule) -> None:
    commands: Any = typer.main.get_command(cli.app(rule.command.split()))
    for word in rule.command.split():
        commands = commands.commands[word]
    assert rule.record()["annotations"]["description"].endswith(f"Next: `shadowstream {rule.command} trial.yaml`")


def promtool_tests(rules: Path, of: Sequence[Rule] = RULES) -> dict[str, Any]:
    """A file of unit tests for promtool: each alert on both of its cases."""
    tests = []
    for rule in of:
        case = CASES[rule.name]
        for given, expected in ((case.fires, [fired(rule, case)]), (case.silent, [])):
            series = [{"series": name, "values": values} for name, values in given.items()]
            alert = {"eval_time": case.at, "alertname": rule.name, "exp_alerts": expected}
            tests.append({"interval": "1m", "input_series": series, "alert_rule_test": [alert]})
    return {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}


def fired(rule: Rule, case: Case) -> dict[str, Any]:
    """The alert as people get it, its words put together without Prometheus' templates."""

    def words(text: str) -> str:
        named = case.labels | {"trial": case.labels["shadow"], "value": case.value}
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda token: named[token[1]], text)

    return {
        "exp_labels": case.labels | {"severity": rule.severity},
        "exp_annotations": {
            "summary": words(rule.summary),
            "description": words(f"{rule.description} Next: `shadowstream {rule.command} trial.yaml`"),
            "runbook_url": f"docs/operations.md#{rule.name.lower()}",
        },
    }


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)


@needs_promtool
def test_each_rule_fires_on_its_series_and_is_silent_on_others(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(promtool_tests(FILES / "rules.yaml")), "utf-8")
    done = promtool("test", "rules", str(tmp_path / "tests.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_notices_a_rule_that_does_not_fire(tmp_path: Path) -> None:
    never = texts()["rules.yaml"].replace('decision="reject"} == 1', 'decision="reject"} == 2')
    (tmp_path / "rules.yaml").write_text(never, "utf-8")
    rejected = [rule for rule in RULES if rule.name == "ShadowstreamRejected"]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(promtool_tests(tmp_path / "rules.yaml", rejected)), "utf-8")
    done = promtool("test", "rules", str(tmp_path / "tests.yaml"))
    assert done.returncode != 0
    assert "alertname: ShadowstreamRejected" in done.stdout + done.stderr
